// go-zero's BulkExecutor: batches of 100 for a function that has nothing to do.
package main

import (
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/executors"
	"weir/bench/measure"
)

func main() {
	measure.Main(measure.Case{Name: "go-zero BulkExecutor", Run: add})
}

func add(n int) int {
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
