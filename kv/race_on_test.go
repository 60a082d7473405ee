//go:build race

package kv_test

// raceOn: the race detector makes sync.Pool forget at random.
const raceOn = true
