// x/sync's singleflight: one caller, and 1000 that join.
package main

import (
	"golang.org/x/sync/singleflight"
	"weir/bench/measure"
)

const joiners = 1000

func main() {
	measure.Main(
		measure.Case{Name: "singleflight.Do, one after another", Run: alone},
		measure.Case{Name: "singleflight.DoChan, 1000 joiners", Run: joined},
	)
}

func one() (any, error) { return 1, nil }

func alone(n int) int {
	var group singleflight.Group
	count := 0
	for range n {
		value, _, _ := group.Do("key", one)
		count += value.(int)
	}
	return count
}

// The flight lands when all of them have joined it.
func joined(n int) int {
	var group singleflight.Group
	count := 0
	for from := 0; from < n; from += joiners {
		callers := min(joiners, n-from)
		gate := make(chan struct{})
		work := func() (any, error) {
			<-gate
			return 1, nil
		}
		channels := make([]<-chan singleflight.Result, callers)
		for i := range channels {
			channels[i] = group.DoChan("key", work)
		}
		close(gate)
		for _, channel := range channels {
			count += (<-channel).Val.(int)
		}
	}
	return count
}
