// Package measure runs the cases of an original, and prints what they took.
package measure

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"
)

// Case is one way to do something with n items. Run returns how many arrived.
type Case struct {
	Name string
	Run  func(n int) int
}

// Result is a line of the output: nanoseconds for one item.
type Result struct {
	Name    string  `json:"name"`
	Median  float64 `json:"median"`
	Minimum float64 `json:"minimum"`
}

// Main measures the cases in interleaved rounds. The arguments are the items in a run, and the
// rounds.
func Main(cases ...Case) {
	n, rounds := argument(1), argument(2)
	samples := make([][]float64, len(cases))
	for round := -1; round < rounds; round++ {
		for i, each := range cases {
			start := time.Now()
			arrived := each.Run(n)
			elapsed := time.Since(start)
			if arrived != n {
				fail("%s: %d of %d arrived", each.Name, arrived, n)
			}
			if round >= 0 {
				samples[i] = append(samples[i], float64(elapsed.Nanoseconds())/float64(n))
			}
		}
	}
	results := make([]Result, len(cases))
	for i, each := range cases {
		slices.Sort(samples[i])
		results[i] = Result{each.Name, samples[i][rounds/2], samples[i][0]}
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		fail("%v", err)
	}
}

func argument(i int) int {
	if i >= len(os.Args) {
		fail("usage: go run . ITEMS ROUNDS")
	}
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
