package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// writeDetails reads the widths of numbers and the values of enumerations from
// the source of aws-sdk-go-v2's S3 client, as go.mod has it.
func writeDetails(path string) error {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/s3").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	root := strings.TrimSpace(string(out))
	d := details{Enums: map[string][]string{}, Members: map[string]string{}}
	files, err := filepath.Glob(filepath.Join(root, "types", "*.go"))
	if err != nil {
		return err
	}
	ops, err := filepath.Glob(filepath.Join(root, "api_op_*.go"))
	if err != nil {
		return err
	}
	parsed := make([]*ast.File, 0, len(files)+len(ops))
	for _, f := range append(files, ops...) {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		p, err := parser.ParseFile(token.NewFileSet(), f, nil, 0)
		if err != nil {
			return err
		}
		parsed = append(parsed, p)
	}
	for _, f := range parsed {
		d.enums(f)
	}
	for _, f := range parsed {
		d.members(f)
	}
	text, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// enums collects typed string constants.
func (d *details) enums(f *ast.File) {
	for _, decl := range f.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			t, ok := v.Type.(*ast.Ident)
			if !ok || len(v.Values) != 1 {
				continue
			}
			if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				value, _ := strconv.Unquote(lit.Value)
				if !slices.Contains(d.Enums[t.Name], value) {
					d.Enums[t.Name] = append(d.Enums[t.Name], value)
				}
			}
		}
	}
}

// members collects the fields whose type says more than the model does.
func (d *details) members(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		st, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range st.Fields.List {
			t := field.Type
			for {
				if a, ok := t.(*ast.ArrayType); ok {
					t = a.Elt
				} else if p, ok := t.(*ast.StarExpr); ok {
					t = p.X
				} else if s, ok := t.(*ast.SelectorExpr); ok {
					t = s.Sel
				} else {
					break
				}
			}
			id, ok := t.(*ast.Ident)
			if !ok || d.Enums[id.Name] == nil && !slices.Contains([]string{"int32", "int64", "float64"}, id.Name) {
				continue
			}
			for _, name := range field.Names {
				d.Members[spec.Name.Name+"."+name.Name] = id.Name
			}
		}
		return false
	})
}
