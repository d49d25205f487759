package main

import (
	"fmt"
	"strconv"
	"strings"
)

// A size is a flag's number of bytes, such as 64MiB.
type size struct{ set func(uint64) }

var units = map[string]uint64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}

// Set reads the flag.
func (s size) Set(text string) error {
	number := strings.TrimRight(strings.ToUpper(text), "BKMGTI ")
	unit, ok := units[strings.TrimSpace(strings.ToUpper(text)[len(number):])]
	n, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(n >= 0) || n*float64(unit) > 1<<62 {
		return fmt.Errorf("%q is no size such as 64MiB", text)
	}
	s.set(uint64(n * float64(unit)))
	return nil
}

// String returns nothing: the usual sizes depend on the machine.
func (s size) String() string { return "" }

// Type returns how the flag's value is called in the help.
func (s size) Type() string { return "size" }
