package server

import (
	"strings"

	"naru/internal/wire"
)

// How operations use the disk, by the verbs that their names begin with. What
// is in neither list makes the store grow.
var (
	readers   = []string{"Get", "List", "Describe", "Filter", "Head", "Assume", "Simulate", "Test", "Decode"}
	shrinkers = []string{"Receive", "Delete", "Remove", "Detach", "Untag", "Purge", "Change", "Cancel", "Disable", "Stop"}
	// callers do not write by themselves: what an invocation writes is refused
	// where it does.
	callers = []string{"Invoke"}
)

// room refuses an operation when the disk is too full for it.
func (h *house) room(operation string) error {
	begins := func(verbs []string) bool {
		for _, v := range verbs {
			if strings.HasPrefix(operation, v) {
				return true
			}
		}
		return false
	}
	var err error
	switch {
	case begins(readers), begins(callers):
	case begins(shrinkers):
		err = h.store.RoomToWrite()
	default:
		err = h.store.RoomToGrow()
	}
	if err != nil {
		return &wire.Error{Code: wire.CodeNoRoom, Message: "The disk is almost full."}
	}
	return nil
}
