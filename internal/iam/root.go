package iam

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

const rootKeyText = "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n"

// WriteRootKey makes an access key for the root user and writes it to a new
// file at path, readable by its owner only, as a shared credentials file.
func WriteRootKey(path string) (KeyPair, error) {
	secret := make([]byte, 30)
	rand.Read(secret)
	k := KeyPair{"AKIA" + newID("")[1:17], base64.StdEncoding.EncodeToString(secret)}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return KeyPair{}, fmt.Errorf("the root key: %w", err)
	}
	if _, err := fmt.Fprintf(f, rootKeyText, k.ID, k.Secret); err != nil {
		return KeyPair{}, fmt.Errorf("the root key: %w", err)
	}
	if err := f.Sync(); err != nil {
		return KeyPair{}, fmt.Errorf("the root key: %w", err)
	}
	return k, f.Close()
}

// ReadRootKey reads what WriteRootKey wrote.
func ReadRootKey(path string) (k KeyPair, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return k, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch strings.TrimSpace(name) {
		case "aws_access_key_id":
			k.ID = strings.TrimSpace(value)
		case "aws_secret_access_key":
			k.Secret = strings.TrimSpace(value)
		}
	}
	if k.ID == "" || k.Secret == "" {
		return k, fmt.Errorf("%s holds no access key", path)
	}
	return k, nil
}
