package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"sync"
)

// A Key signs the requests of one secret within one scope.
type Key [sha256.Size]byte

// DeriveKey returns the key of a secret access key for a scope:
//
//	HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service), "aws4_request")
func DeriveKey(secret string, scope Scope) Key {
	key := []byte("AWS4" + secret)
	for _, text := range [...]string{scope.Date, scope.Region, scope.Service, terminator} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		key = mac.Sum(nil)
	}
	return Key(key)
}

// maxKeys bounds the memory of Keys. A key is of use for a day.
const maxKeys = 4096

// Keys derives keys and remembers some thousands of them. The zero value is
// ready for use, by many goroutines at once.
type Keys struct {
	mu   sync.RWMutex
	keys map[keySource]Key // at most maxKeys
}

type keySource struct {
	secret string
	scope  Scope
}

// Derive is DeriveKey with a memory.
func (k *Keys) Derive(secret string, scope Scope) Key {
	k.mu.RLock()
	key, ok := k.keys[keySource{secret, scope}]
	k.mu.RUnlock()
	if !ok {
		key = DeriveKey(secret, scope)
		k.add(keySource{secret, scope.clone()}, key)
	}
	return key
}

// add remembers a key and forgets another, whichever, when there are too many.
func (k *Keys) add(source keySource, key Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		k.keys = make(map[keySource]Key)
	}
	if len(k.keys) >= maxKeys {
		for other := range k.keys {
			delete(k.keys, other)
			break
		}
	}
	k.keys[source] = key
}
