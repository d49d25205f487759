// Package test holds Naru's black-box tests: they start the program and bring
// it unmodified SDKs as clients.
package test
