// Kratos' fanout: jobs for workers that have nothing to do.
package main

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/go-kratos/kratos/pkg/sync/pipeline/fanout"
	"weir/bench/measure"
)

func main() {
	measure.Main(
		measure.Case{Name: "Kratos fanout.Do, 1 worker", Run: do(1)},
		measure.Case{Name: "Kratos fanout.Do, 16 workers", Run: do(16)},
	)
}

func do(workers int) func(n int) int {
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
		// Close would leave what waits undone.
		for count.Load() < int64(n) {
			runtime.Gosched()
		}
		sink.Close()
		return int(count.Load())
	}
}
