package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestUnescaped(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	special := func(r rune) bool { return r == '"' || r == '\\' || r < ' ' }
	for range 100_000 {
		text := make([]byte, random.IntN(40))
		for i := range text {
			switch text[i] = byte(' ' + random.IntN(256-' ')); random.IntN(60) {
			case 0:
				text[i] = byte(random.IntN(' '))
			case 1:
				text[i] = '"'
			case 2:
				text[i] = '\\'
			}
		}
		want := bytes.IndexFunc(text, special)
		if want < 0 {
			want = len(text)
		}
		if got := unescaped(text); got != want {
			t.Fatalf("%q has %d, not %d", text, want, got)
		}
	}
}

func TestVerbatim(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 100_000 {
		text, want := make([]byte, 8), true
		for i := range text {
			if text[i] = byte(' ' + random.IntN(0x80-' ')); random.IntN(30) == 0 {
				text[i] = byte(random.IntN(256))
			}
			c := text[i]
			want = want && c >= ' ' && c < 0x80 && c != '"' && c != '\\'
		}
		if got := isVerbatim(string(text)); got != want {
			t.Fatalf("%q stands for itself: %v", text, got)
		}
	}
}
