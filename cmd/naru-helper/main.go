// Naru-helper is the first process of every environment. It is a program of its
// own, embedded in naru, since it starts in a tenth of the time.
package main

import (
	"os"

	"naru/internal/sandbox/helper"
)

func main() { os.Exit(helper.Main()) }
