package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is checked in is what the generator writes, and it writes the same
// every time.
func TestReproducible(t *testing.T) {
	root := filepath.Join("..", "..")
	first, err := Generate(root)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Generate(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != len(targets) || len(first) != len(second) {
		t.Fatalf("%d and %d files", len(first), len(second))
	}
	for i, f := range first {
		if f.Path != second[i].Path || !bytes.Equal(f.Text, second[i].Text) {
			t.Errorf("%s differs from run to run", f.Path)
		}
		have, err := os.ReadFile(filepath.Join(root, f.Path))
		if err != nil || !bytes.Equal(have, f.Text) {
			t.Errorf("%s is stale (%v): run make generate", f.Path, err)
		}
	}
}
