package farhold

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/farhold/farhold/api/s3api"
	"github.com/farhold/farhold/api/s3control"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/iam"
	"github.com/farhold/farhold/service/kms"
	"github.com/farhold/farhold/service/secretsmanager"
	"github.com/farhold/farhold/service/sts"
	kmsshapes "github.com/farhold/farhold/wire/shapes/kms"
)

// TestOperationsPage holds docs/fidelity/s3-operations.md against the table of
// routes: each operation stands in the right half, once, in a file that is
// there, and the tests that prove it exist.
func TestOperationsPage(t *testing.T) {
	const page = "docs/fidelity/s3-operations.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	served, rest, ok := strings.Cut(string(text), "## Not served")
	if !ok {
		t.Fatal("the page has no part of what is not served")
	}
	row := regexp.MustCompile(`(?m)^\| ([A-Z]\w+) \| (.*?) \|(?: (.*?) \|)?`)
	type entry struct{ served bool }
	on := make(map[string]entry)
	tests := testNames(t, "api/s3api", "rule", "server", "conformance")
	for part, served := range map[string]bool{served: true, rest: false} {
		for _, m := range row.FindAllStringSubmatch(part, -1) {
			if m[1] == "Operation" {
				continue
			}
			if _, twice := on[m[1]]; twice {
				t.Errorf("%s stands twice", m[1])
			}
			on[m[1]] = entry{served}
			if !served {
				continue
			}
			file, _, _ := strings.Cut(strings.TrimPrefix(m[2], "`"), "`")
			if _, err := os.Stat(filepath.Join("api/s3api", file)); err != nil {
				t.Errorf("%s: %v", m[1], err)
			}
			namesTests(t, m[1], m[3], tests)
		}
	}
	routed := make(map[string]bool)
	for _, r := range s3api.New(s3api.Options{}).Routes() {
		routed[r.Op] = true
		e, ok := on[r.Op]
		switch {
		case !ok:
			t.Errorf("%s is not on the page", r.Op)
		case e.served != (r.Handler != nil):
			t.Errorf("%s stands in the wrong half", r.Op)
		}
	}
	for op := range s3api.Unrouted() {
		routed[op] = true
		if e, ok := on[op]; !ok || e.served {
			t.Errorf("%s is not on the page as not served", op)
		}
	}
	for op := range on {
		if !routed[op] {
			t.Errorf("%s is on the page and nowhere else", op)
		}
	}
}

// TestKMSPage holds docs/fidelity/kms.md against the table of KMS.
func TestKMSPage(t *testing.T) {
	servicePage(t, "kms", "service/kms", kms.New(kms.Options{}).Operations(), kmsshapes.Operations())
}

// TestSecretsManagerPage does so for Secrets Manager.
func TestSecretsManagerPage(t *testing.T) {
	s := secretsmanager.Service()
	servicePage(t, "secretsmanager", "service/secretsmanager", s.Operations, s.Known)
}

// TestSTSPage does so for STS.
func TestSTSPage(t *testing.T) {
	s := sts.NewIssuer(sts.IssuerOptions{}).Service()
	servicePage(t, "sts", "service/sts", s.Operations, s.Known)
}

// TestS3ControlPage does so for S3 Control.
func TestS3ControlPage(t *testing.T) {
	s := s3control.New(nil, nil).Service()
	servicePage(t, "s3-control", "api/s3control", s.Operations, s.Known)
}

// servicePage holds a page against the table of a service. What is served has a
// row, which names a file of dir that has it and tests of dir that are there;
// every other operation that is known stands in the part of what is not served,
// as a row or between backticks.
func servicePage(t *testing.T, page, dir string, table []service.Operation, known []string) {
	t.Helper()
	text, err := os.ReadFile("docs/fidelity/" + page + ".md")
	if err != nil {
		t.Fatal(err)
	}
	served, unserved, ok := strings.Cut(string(text), "\n## Not served")
	if !ok {
		t.Fatal("the page has no part of what is not served")
	}
	tests := testNames(t, dir)
	row := regexp.MustCompile(`(?m)^\| ([A-Z]\w+) \| (.*?) \|(?: (.*?) \|)?`)
	on := make(map[string]bool)
	for _, m := range row.FindAllStringSubmatch(served, -1) {
		if m[1] == "Operation" {
			continue
		}
		if on[m[1]] {
			t.Errorf("%s stands twice", m[1])
		}
		on[m[1]] = true
		file := strings.Trim(m[2], "`")
		if src, err := os.ReadFile(filepath.Join(dir, file)); err != nil || !strings.Contains(string(src), `"`+m[1]+`"`) {
			t.Errorf("%s is not in %s: %v", m[1], file, err)
		}
		namesTests(t, m[1], m[3], tests)
	}
	performed := make(map[string]bool)
	for _, o := range table {
		if performed[o.Name] = o.Do != nil; o.Do != nil != on[o.Name] {
			t.Errorf("%s is not on the page, or in the wrong part", o.Name)
		}
	}
	for op := range on {
		if !performed[op] {
			t.Errorf("%s is on the page and not in the table", op)
		}
	}
	not := make(map[string]bool)
	for _, m := range regexp.MustCompile("(?m)`([A-Z]\\w+)`|^\\| ([A-Z]\\w+) \\|").FindAllStringSubmatch(unserved, -1) {
		not[m[1]+m[2]] = true
	}
	for _, op := range known {
		if not[op] == performed[op] {
			t.Errorf("%s is not among what is not served, or among it and served", op)
		}
	}
}

// TestIAMPage does so for IAM.
func TestIAMPage(t *testing.T) {
	s := iam.New(iam.NewDirectory(iam.Options{Rows: noRows{}})).Service()
	servicePage(t, "iam", "service/iam", s.Operations, s.Known)
}

// noRows is a realm without rows: the table does not need any.
type noRows struct{ rows }

type rows = iam.Rows

func (noRows) WatchRows(string, func(string)) {}

// namesTests sees that the last cell of an operation's row names tests, and
// that they are there.
func namesTests(t *testing.T, op, cell string, tests map[string]bool) {
	t.Helper()
	names := strings.Fields(strings.ReplaceAll(cell, "`", " "))
	if len(names) == 0 {
		t.Errorf("%s: no test", op)
	}
	for _, name := range names {
		if !tests[name] {
			t.Errorf("%s: there is no test %s", op, name)
		}
	}
}

// testNames gives the tests of some folders.
func testNames(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
					names[fn.Name.Name] = true
				}
			}
		}
	}
	return names
}
