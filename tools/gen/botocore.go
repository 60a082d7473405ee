package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// facts is what the models of the services with typed requests lack: tools/models/details-<service>.json.
type facts struct {
	Service map[string]string   `json:"service"` // apiVersion, targetPrefix, xmlNamespace, …
	Enums   map[string][]string `json:"enums"`
	// Members are keyed by Structure.Member, with [] behind it for the elements
	// of a list and <key> or <value> for those of a map.
	Members map[string]fact `json:"members"`
}

// fact is what is said of one member.
type fact struct {
	Type      string   `json:"type,omitempty"` // of a number: integer, long, float or double
	Min       *float64 `json:"min,omitempty"`  // length, number of elements, or value
	Max       *float64 `json:"max,omitempty"`
	Pattern   string   `json:"pattern,omitempty"`
	Enum      string   `json:"enum,omitempty"`
	Sensitive bool     `json:"sensitive,omitempty"`
}

// botocoreNames are the folders of botocore's data that hold the services.
var botocoreNames = map[string]string{
	"iam": "iam/2010-05-08", "kms": "kms/2014-11-01", "sts": "sts/2011-06-15",
	"secrets-manager": "secretsmanager/2017-10-17", "s3-control": "s3control/2018-08-20",
}

// writeFacts reads the constraints of a service from botocore's data folder.
func writeFacts(service, data, path string) error {
	f, err := os.Open(filepath.Join(data, botocoreNames[service], "service-2.json.gz"))
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	type ref struct {
		Shape string `json:"shape"`
	}
	var m struct {
		Metadata map[string]any `json:"metadata"`
		Shapes   map[string]struct {
			Type      string         `json:"type"`
			Members   map[string]ref `json:"members"`
			Member    ref            `json:"member"`
			Key       ref            `json:"key"`
			Value     ref            `json:"value"`
			Min, Max  *float64
			Pattern   string   `json:"pattern"`
			Enum      []string `json:"enum"`
			Sensitive bool     `json:"sensitive"`
			Exception bool     `json:"exception"`
		} `json:"shapes"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	out := facts{Service: map[string]string{}, Enums: map[string][]string{}, Members: map[string]fact{}}
	for _, k := range []string{"apiVersion", "targetPrefix", "xmlNamespace", "signingName", "endpointPrefix", "jsonVersion"} {
		if s, ok := m.Metadata[k].(string); ok {
			out.Service[k] = s
		}
	}
	var note func(path, shape string, depth int) error
	note = func(path, shape string, depth int) error {
		s, ok := m.Shapes[shape]
		if !ok || depth > 4 {
			return fmt.Errorf("%s: shape %q", path, shape)
		}
		n := fact{Min: s.Min, Max: s.Max, Pattern: s.Pattern, Sensitive: s.Sensitive}
		switch s.Type {
		case "integer", "long", "float", "double":
			n.Type = s.Type
		}
		if s.Enum != nil {
			n.Enum, out.Enums[shape] = shape, s.Enum
		}
		if n != (fact{}) {
			out.Members[path] = n
		}
		switch s.Type {
		case "list":
			return note(path+"[]", s.Member.Shape, depth+1)
		case "map":
			if err := note(path+"<key>", s.Key.Shape, depth+1); err != nil {
				return err
			}
			return note(path+"<value>", s.Value.Shape, depth+1)
		}
		return nil
	}
	for name, s := range m.Shapes {
		if s.Type != "structure" || s.Exception {
			continue
		}
		for member, r := range s.Members {
			if err := note(name+"."+member, r.Shape, 0); err != nil {
				return err
			}
		}
	}
	text, err = json.MarshalIndent(out, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
