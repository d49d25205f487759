package sigv4

import (
	"fmt"
	"sync"
	"testing"
)

func TestKeysDerivesAndRemembers(t *testing.T) {
	var keys Keys
	for range 2 {
		for secret := range 3 {
			for day := range 3 {
				secret, scope := fmt.Sprint(secret), Scope{fmt.Sprint(day), "us-east-1", "sqs"}
				if keys.Derive(secret, scope) != DeriveKey(secret, scope) {
					t.Errorf("secret %s, %v: not the key that DeriveKey makes", secret, scope)
				}
			}
		}
	}
	if len(keys.keys) != 9 {
		t.Errorf("remembers %d keys, want 9", len(keys.keys))
	}
	scope := Scope{"0", "us-east-1", "sqs"}
	if n := testing.AllocsPerRun(100, func() { keys.Derive("0", scope) }); n != 0 {
		t.Errorf("a remembered key costs %v allocations", n)
	}
}

func TestKeysIsBounded(t *testing.T) {
	var keys Keys
	for i := range maxKeys + 100 {
		scope := Scope{"20260101", fmt.Sprint(i), "sqs"}
		if keys.Derive("secret", scope) != DeriveKey("secret", scope) {
			t.Fatalf("wrong key for %v", scope)
		}
	}
	if len(keys.keys) != maxKeys {
		t.Errorf("remembers %d keys, want %d", len(keys.keys), maxKeys)
	}
}

func TestKeysIsSafeForConcurrentUse(t *testing.T) {
	var keys Keys
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				scope := Scope{"20260101", fmt.Sprint(i % 20), "sqs"}
				if keys.Derive("secret", scope) != DeriveKey("secret", scope) {
					t.Errorf("wrong key for %v", scope)
				}
			}
		})
	}
	wg.Wait()
}
