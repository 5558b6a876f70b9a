// The Go originals: what an item costs them. The arguments are a system, the items in a run, and
// the rounds.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-kratos/kratos/pkg/sync/pipeline/fanout"
	"github.com/zeromicro/go-zero/core/executors"
	"golang.org/x/sync/singleflight"
)

// variant is one way to do something with n items. run returns how many arrived.
type variant struct {
	name string
	run  func(n int) int
}

var systems = map[string][]variant{
	// Jobs for workers that have nothing to do.
	"kratos": {
		{"Kratos fanout.Do, 1 worker", kratos(1)},
		{"Kratos fanout.Do, 16 workers", kratos(16)},
	},
	// One caller, and 1000 that join.
	"singleflight": {
		{"singleflight.Do, one after another", alone},
		{"singleflight.DoChan, 1000 joiners", joined},
	},
	// Batches of 100 for a function that has nothing to do.
	"gozero": {
		{"go-zero BulkExecutor", bulk},
	},
}

// Prints the least nanoseconds for one item of each variant. They take turns.
func main() {
	if len(os.Args) != 4 {
		fail("usage: go run . SYSTEM ITEMS ROUNDS")
	}
	variants, n, rounds := systems[os.Args[1]], number(2), number(3)
	if variants == nil {
		fail("no such system: %s", os.Args[1])
	}
	least := make([]time.Duration, len(variants))
	// The first round does not count.
	for round := -1; round < rounds; round++ {
		for i, each := range variants {
			start := time.Now()
			arrived := each.run(n)
			elapsed := time.Since(start)
			if arrived != n {
				fail("%s: %d of %d arrived", each.name, arrived, n)
			}
			if round == 0 || round > 0 && elapsed < least[i] {
				least[i] = elapsed
			}
		}
	}
	rows := make([][2]any, len(variants))
	for i, each := range variants {
		rows[i] = [2]any{each.name, float64(least[i].Nanoseconds()) / float64(n)}
	}
	if err := json.NewEncoder(os.Stdout).Encode(rows); err != nil {
		fail("%v", err)
	}
}

func kratos(workers int) func(n int) int {
	return func(n int) int {
		var count atomic.Int64
		ctx := context.Background()
		sink := fanout.New("bench", fanout.Worker(workers))
		job := func(context.Context) { count.Add(1) }
		for range n {
			for sink.Do(ctx, job) != nil {
				runtime.Gosched() // it is full
			}
		}
		// Close would leave undone what waits.
		for count.Load() < int64(n) {
			runtime.Gosched()
		}
		sink.Close()
		return int(count.Load())
	}
}

func bulk(n int) int {
	var count atomic.Int64
	execute := func(tasks []any) { count.Add(int64(len(tasks))) }
	sink := executors.NewBulkExecutor(
		execute,
		executors.WithBulkTasks(100),
		executors.WithBulkInterval(time.Second),
	)
	for i := range n {
		sink.Add(i)
	}
	sink.Flush()
	sink.Wait()
	return int(count.Load())
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

const joiners = 1000

// The call returns when all of them have joined it.
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

func number(i int) int {
	value, err := strconv.Atoi(os.Args[i])
	if err != nil || value < 1 {
		fail("not a number of at least 1: %s", os.Args[i])
	}
	return value
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
