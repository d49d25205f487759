package sqs

import (
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// TestContentsAreTextOfXML compares texts, most of them almost good, with what
// AWS says may be in a message.
func TestContentsAreTextOfXML(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"plain ascii text", "a", "\t", "\n", "\r", "é", "\u2028", "\U00010000", "\ufffd", "~", "\x7f", "\x1f", "\x00", "\ufffe", "\uffff", "\x80", "\xff"}
	const good = 11 // of the pieces
	for range 20_000 {
		text, want := "", true
		for range random.IntN(12) {
			i := random.IntN(good)
			if random.IntN(20) == 0 {
				i = random.IntN(len(pieces))
			}
			text, want = text+pieces[i], want && i < good
		}
		if got := checkContents(text) == nil; got != want || got && !utf8.ValidString(text) {
			t.Fatalf("%q is good: %v", text, got)
		}
	}
}
