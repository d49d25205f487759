// Package console serves Naru's web console, which is embedded in the binary.
// The committed page is a placeholder: it says how to reach Naru.
package console

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed dist
var dist embed.FS

// Handler serves the console's files below prefix.
func Handler(prefix string) http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return http.StripPrefix(prefix, http.FileServerFS(files))
}
