package farhold

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/farhold/farhold"

// TestLattice holds the tree against the lattice of ARCHITECTURE.md: a line for
// each package, bottom to top, with the project packages that it imports. A line
// may name only packages on lines above it, so the order of the lines is the
// layering, and neither a cycle nor an import upwards can be written down.
func TestLattice(t *testing.T) {
	lines := readLattice(t, "ARCHITECTURE.md")
	at := make(map[string]int) // where a package stands
	for i, l := range lines {
		if _, twice := at[l.name]; twice {
			t.Errorf("%s: two lines in the lattice", l.name)
		}
		at[l.name] = i
	}
	seen := make(map[string]bool)
	for _, p := range packages(t) {
		seen[p.name] = true
		i, ok := at[p.name]
		if !ok {
			t.Errorf("%s: not in the lattice; its line is\n\t%s: %s", p.name, p.name, strings.Join(p.imports, " "))
			continue
		}
		for _, name := range p.imports {
			if !slices.Contains(lines[i].imports, name) {
				t.Errorf("%s imports %s, which is not on its line", p.name, name)
			}
		}
		for _, name := range lines[i].imports {
			if !slices.Contains(p.imports, name) {
				t.Errorf("%s does not import %s: take it off the line", p.name, name)
			}
			if j, ok := at[name]; !ok || j >= i {
				t.Errorf("%s names %s, which is not above it", p.name, name)
			}
		}
	}
	for _, l := range lines {
		if !seen[l.name] {
			t.Errorf("%s: in the lattice but not in the tree", l.name)
		}
	}
}

// TestPackagesAreDescribed wants a comment for each package.
func TestPackagesAreDescribed(t *testing.T) {
	for _, p := range packages(t) {
		if p.doc == "" {
			t.Errorf("%s: no package comment", p.name)
		}
	}
}

// TestNothingRunsByItself wants no init function: what a program does is to be
// found by following calls from main.
func TestNothingRunsByItself(t *testing.T) {
	for _, p := range packages(t) {
		files, err := filepath.Glob(filepath.Join(p.dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: an init function", set.Position(fn.Pos()))
				}
			}
		}
	}
}

// TestLatticeIsRead holds the reader of the lattice against a document in which
// everything else looks like one.
func TestLatticeIsRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.md")
	text := "a: b\n```go\nc: d\n```\n```lattice\n# words\nstamp:\ns3: stamp\n\nstore: s3   stamp\n```\ne: f\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range readLattice(t, file) {
		got = append(got, l.name+"<"+strings.Join(l.imports, ","))
	}
	if want := []string{"stamp<", "s3<stamp", "store<s3,stamp"}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
}

// line is a line of the lattice.
type line struct {
	name    string
	imports []string
}

func readLattice(t *testing.T, file string) (lines []line) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in := false
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		text := strings.TrimSpace(s.Text())
		switch {
		case strings.HasPrefix(text, "```"):
			in = text == "```lattice"
		case !in, text == "", strings.HasPrefix(text, "#"):
		default:
			name, imports, ok := strings.Cut(text, ":")
			if !ok {
				t.Errorf("%s: %q is no line of a lattice", file, text)
			}
			lines = append(lines, line{strings.TrimSpace(name), strings.Fields(imports)})
		}
	}
	if len(lines) == 0 {
		t.Fatalf("%s has no lattice", file)
	}
	return lines
}

// pkg is a package of the tree, by its path below the module's.
type pkg struct {
	name, dir, doc string
	imports        []string // of this module, in order, without those of tests
}

// packages lists the packages below the root. In a clone, folders of which git
// knows nothing are left out: they are somebody's scratch, or not ready to be
// held against anything.
func packages(t *testing.T) (list []pkg) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Logf("%s", exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	known := tracked()
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir, Doc string
			Imports              []string
		}
		if err := d.Decode(&p); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(p.ImportPath, module+"/")
		if !ok {
			continue // the root
		}
		if known != nil && !known[name] {
			t.Logf("%s: git does not know it; left out", name)
			continue
		}
		var imports []string
		for _, i := range p.Imports {
			if i, ok := strings.CutPrefix(i, module+"/"); ok {
				imports = append(imports, i)
			}
		}
		list = append(list, pkg{name: name, dir: p.Dir, doc: p.Doc, imports: imports})
	}
}

// tracked gives the folders with Go files that git knows, or nil where there is
// no git or no clone: then every folder counts.
func tracked() map[string]bool {
	out, err := exec.Command("git", "ls-files", "*.go").Output()
	if err != nil || len(out) == 0 {
		return nil
	}
	known := make(map[string]bool)
	for file := range strings.Lines(string(out)) {
		known[path.Dir(strings.TrimSpace(file))] = true
	}
	return known
}
