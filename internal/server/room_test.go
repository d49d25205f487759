package server

import (
	"errors"
	"slices"
	"testing"

	"naru/internal/store"
	"naru/internal/wire"
)

func TestOperationsUseTheDiskAsTheirNamesSay(t *testing.T) {
	grow := []string{"SendMessage", "SendMessageBatch", "CreateQueue", "SetQueueAttributes", "CreateFunction", "UpdateFunctionCode", "PutLogEvents", "PutRule", "AddPermission", "TagQueue"}
	write := []string{"ReceiveMessage", "DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibility", "PurgeQueue", "DeleteQueue"}
	read := []string{"GetQueueAttributes", "ListQueues", "DescribeLogGroups", "FilterLogEvents", "AssumeRole", "Invoke"}
	for free, refused := range map[uint64][]string{100: nil, 50: grow, 5: append(slices.Clone(grow), write...)} {
		s, err := store.Open(store.Options{Space: store.Space{Reserve: 100, LastReserve: 10, Usage: func() (uint64, uint64, error) { return free, 1000, nil }}})
		if err != nil {
			t.Fatal(err)
		}
		h := &house{store: s}
		for _, operation := range slices.Concat(grow, write, read) {
			err := h.room(operation)
			var e *wire.Error
			if got := errors.As(err, &e) && e.Code == wire.CodeNoRoom; got != slices.Contains(refused, operation) {
				t.Errorf("with %d free, %s: %v", free, operation, err)
			}
		}
		s.Close()
	}
}
