module weir/bench/channelx

go 1.26

require (
	github.com/Ksloveyuan/channelx v0.0.0-20210921141646-e2f4ef1a0381
	weir/bench/measure v0.0.0
)

replace weir/bench/measure => ../measure
