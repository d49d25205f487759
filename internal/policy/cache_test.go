package policy

import (
	"fmt"
	"testing"
)

func TestACacheParsesOnceAndForgetsWhatIsTooMuch(t *testing.T) {
	var c Cache
	text := func(i int) string {
		return fmt.Sprintf(`{"Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:::q%d"}}`, i)
	}
	first, err := c.Parse(text(0))
	again, errAgain := c.Parse(text(0))
	if err != nil || errAgain != nil || first != again {
		t.Errorf("parsed twice: %v, %v", err, errAgain)
	}
	if _, err := c.Parse("{"); err == nil || len(c.documents) != 1 {
		t.Errorf("got %v; %d documents are remembered", err, len(c.documents))
	}
	for i := range 2 * maxCached {
		if _, err := c.Parse(text(i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.documents) != maxCached {
		t.Errorf("%d documents are remembered", len(c.documents))
	}
}
