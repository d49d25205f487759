package main

import (
	"embed"
	"syscall"
)

// helpers has the programs of cmd/naru-helper and cmd/naru-bootstrap, if they were
// built before this one, as make does. Without the former this program is its own
// helper, which takes longer.
//
//go:embed helper
var helpers embed.FS

// helper returns the small helper, nil if there is none.
func helper() []byte { return embedded("naru-helper") }

// embedded returns a program, nil if it was not built.
func embedded(name string) []byte {
	program, err := helpers.ReadFile("helper/" + name)
	if err != nil {
		return nil
	}
	return program
}

// openUmask has files be as this program makes them: code must be readable by the
// users that environments have.
func openUmask() { syscall.Umask(0o022) }
