module weir/bench/singleflight

go 1.26.0

require (
	golang.org/x/sync v0.24.0
	weir/bench/measure v0.0.0
)

replace weir/bench/measure => ../measure
