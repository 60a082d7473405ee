package farhold

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages lists the documents of the repository.
func pages(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// anchors gives the names under which a document's headings are linked to.
func anchors(text string) (names []string) {
	odd := regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		names = append(names, strings.ReplaceAll(odd.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return names
}

// TestLinks follows the links between documents.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			to := page
			if path != "" {
				to = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s: %v", page, m[1], err)
			} else if anchor != "" && !slices.Contains(anchors(read(t, to)), anchor) {
				t.Errorf("%s: %s: there is no such heading", page, m[1])
			}
		}
	}
}

// TestFilesThatPagesNameAreThere wants the files and folders to be there that
// ARCHITECTURE.md, DURABILITY.md and docs name by their path.
func TestFilesThatPagesNameAreThere(t *testing.T) {
	name := regexp.MustCompile("`((?:[a-z0-9]+/)+[a-z0-9_]+\\.(?:go|sh|md))`")
	for _, page := range pages(t) {
		for _, m := range name.FindAllStringSubmatch(read(t, page), -1) {
			if _, err := os.Stat(m[1]); err == nil {
				continue
			}
			// Within a package, files are named by the rest of their path.
			if found, _ := filepath.Glob("*/" + m[1]); len(found) > 0 {
				continue
			}
			if found, _ := filepath.Glob("*/*/" + m[1]); len(found) > 0 {
				continue
			}
			t.Errorf("%s names %s, which is not there", page, m[1])
		}
	}
}

// TestKeyspacePage wants every table of the store on its page, under the letter
// that begins its keys.
func TestKeyspacePage(t *testing.T) {
	page := read(t, "docs/formats/keyspace.md")
	files, err := filepath.Glob("store/*.go")
	if err != nil {
		t.Fatal(err)
	}
	letters := make(map[string]string)
	for _, file := range files {
		for _, m := range regexp.MustCompile(`(?m)^(?:const )?\s*(table[A-Z]\w*)\s*= '(.)'`).FindAllStringSubmatch(read(t, file), -1) {
			if other, twice := letters[m[2]]; twice {
				t.Errorf("%s and %s have one letter, %s", other, m[1], m[2])
			}
			letters[m[2]] = m[1]
			if !strings.Contains(page, "\n| `"+m[2]+"` | ") {
				t.Errorf("%s, %q, is not on the page", m[1], m[2])
			}
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(.)` \\| ").FindAllStringSubmatch(page, -1) {
		if letters[m[1]] == "" {
			t.Errorf("the page has a table %q, the store has none", m[1])
		}
	}
	if len(letters) < 15 {
		t.Errorf("found %d tables only", len(letters))
	}
}

// TestPeerPages wants every path of the peer door on a page.
func TestPeerPages(t *testing.T) {
	text := read(t, "docs/formats/peer.md") + read(t, "docs/formats/realm.md")
	for _, file := range []string{"work/replication/peer/frame.go", "realm/door.go", "server/versioning.go"} {
		found := regexp.MustCompile(`(?m)path\w+\s*= "(/[^"]+)"`).FindAllStringSubmatch(read(t, file), -1)
		if len(found) == 0 {
			t.Errorf("%s declares no path", file)
		}
		for _, m := range found {
			name := m[1][strings.LastIndexByte(m[1], '/')+1:]
			if !strings.Contains(text, m[1]) && !strings.Contains(text, "`"+name+"`") {
				t.Errorf("%s is on neither page", m[1])
			}
		}
	}
}
