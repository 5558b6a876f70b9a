// channelx's Aggregator: batches of 100 for a function that has nothing to do.
package main

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/Ksloveyuan/channelx"
	"weir/bench/measure"
)

func main() {
	measure.Main(
		measure.Case{Name: "channelx Aggregator, 1 worker", Run: enqueue(1)},
		measure.Case{Name: "channelx Aggregator, 16 workers", Run: enqueue(16)},
	)
}

func enqueue(workers int) func(n int) int {
	return func(n int) int {
		var count atomic.Int64
		process := func(batch []interface{}) error {
			count.Add(int64(len(batch)))
			return nil
		}
		sink := channelx.NewAggregator(process, func(o channelx.AggregatorOption) channelx.AggregatorOption {
			o.BatchSize, o.Workers, o.LingerTime = 100, workers, time.Second
			o.ChannelBufferSize = 1000
			return o
		})
		sink.Start()
		for i := range n {
			for !sink.TryEnqueue(i) {
				runtime.Gosched() // it is full
			}
		}
		// SafeStop looks at once, and then every 50 ms: not before the queue is empty.
		for count.Load() < int64(n-99*workers) {
			runtime.Gosched()
		}
		time.Sleep(time.Millisecond)
		sink.SafeStop()
		return int(count.Load())
	}
}
