//go:build !linux

package helper

// Main is for Linux only.
func Main() int { return 1 }
