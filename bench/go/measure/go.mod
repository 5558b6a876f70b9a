module weir/bench/measure

go 1.26
