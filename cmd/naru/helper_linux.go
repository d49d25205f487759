package main

import (
	"embed"
	"syscall"
)

// helpers has the program of cmd/naru-helper, if it was built before this one, as
// make does. Without it this program is its own helper, which takes longer.
//
//go:embed helper
var helpers embed.FS

// helper returns the small helper, nil if there is none.
func helper() []byte {
	program, err := helpers.ReadFile("helper/naru-helper")
	if err != nil {
		return nil
	}
	return program
}

// openUmask has files be as this program makes them: code must be readable by the
// users that environments have.
func openUmask() { syscall.Umask(0o022) }
