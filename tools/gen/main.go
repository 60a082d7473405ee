// Command gen writes the Go types of the services' wire shapes, under
// wire/shapes, from the models under tools/models. Run it from the root of the
// repository:
//
//	go run ./tools/gen            write
//	go run ./tools/gen -check     fail if what is checked in differs
//	go run ./tools/gen -details   read tools/models/details-s3.json anew
//	                              from the aws-sdk-go-v2 of go.mod
//	go run ./tools/gen -botocore DIR   read the other details-*.json anew
//	                              from botocore's data folder
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	check := flag.Bool("check", false, "compare instead of writing")
	details := flag.Bool("details", false, "refresh tools/models/details-s3.json")
	data := flag.String("botocore", "", "refresh the other tools/models/details-*.json from botocore's data `folder`")
	flag.Parse()
	if err := run(*check, *details, *data); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(check, details bool, data string) error {
	if data != "" {
		for service := range botocoreNames {
			if err := writeFacts(service, data, "tools/models/details-"+service+".json"); err != nil {
				return fmt.Errorf("%s: %w", service, err)
			}
		}
		return nil
	}
	if details {
		return writeDetails("tools/models/details-s3.json")
	}
	files, err := Generate(".")
	if err != nil {
		return err
	}
	for _, f := range files {
		if check {
			old, err := os.ReadFile(f.Path)
			if err != nil || !bytes.Equal(old, f.Text) {
				return fmt.Errorf("%s is not what make generate writes", f.Path)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(f.Path, f.Text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// File is a generated file.
type File struct {
	Path string // from the root of the repository
	Text []byte
}

// Generate makes every generated file of the repository, in the order of their
// paths, from the models under root.
func Generate(root string) ([]File, error) {
	var files []File
	for _, t := range targets {
		generate := t.generate
		if t.protocol == typed {
			generate = t.generateTyped
		}
		f, err := generate(root)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.service, err)
		}
		files = append(files, f...)
	}
	slices.SortFunc(files, func(a, b File) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return files, nil
}
