// Command notesbar writes the sample bar of the README's tour to the file that
// its argument names.
package main

import (
	"fmt"
	"os"

	"cellar/barfs/bartest"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: notesbar FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], bartest.Notes().Bytes(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "notesbar:", err)
		os.Exit(1)
	}
}
