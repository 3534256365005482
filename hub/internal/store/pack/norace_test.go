//go:build !race

package pack_test

const forgotten = 0
