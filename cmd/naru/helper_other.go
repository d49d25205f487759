//go:build !linux

package main

// helper returns nothing: there are no helpers on this system.
func helper() []byte { return nil }

// embedded returns nothing, likewise.
func embedded(string) []byte { return nil }

func openUmask() {}
