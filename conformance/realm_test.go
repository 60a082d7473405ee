package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// required tells that a missing client is a failure.
func required() bool {
	switch os.Getenv("FARHOLD_CONFORMANCE") {
	case "required", "full":
		return true
	}
	return false
}

// notRun collects the clients that are not on this machine, for the last line
// that is printed.
type notRun struct {
	mu   sync.Mutex
	list []string
}

func (n *notRun) add(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Contains(n.list, what) {
		n.list = append(n.list, what)
	}
}

var absent notRun

// need finds a client, or skips the test: it says which it was.
func need(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		var out []byte
		if out, err = exec.Command(path, args...).CombinedOutput(); err == nil {
			t.Logf("%s: %s", name, strings.TrimSpace(firstLine(string(out))))
			return path
		}
		err = fmt.Errorf("%v: %s", err, out)
	}
	absent.add(fmt.Sprintf("%s (%s)", strings.TrimPrefix(t.Name(), "Test"), strings.TrimSpace(firstLine(err.Error()))))
	if required() {
		t.Fatalf("%s is needed: %v", name, err)
	}
	t.Skipf("not run: %s is not here (%v)", name, err)
	return ""
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// binary is farhold as these tests drive it: FARHOLD_BINARY, or one that is
// built from this source.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("FARHOLD_BINARY"); path != "" {
		return filepath.Abs(path)
	}
	dir, err := os.MkdirTemp("", "farhold-conformance")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "farhold")
	build := exec.Command("go", "build", "-o", path, "github.com/farhold/farhold/cmd/farhold")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("building farhold: %v: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil && os.Getenv("FARHOLD_BINARY") == "" {
		os.RemoveAll(filepath.Dir(path))
	}
	if len(absent.list) == 0 {
		fmt.Println("conformance: nothing was left out for want of a client")
	} else {
		fmt.Println("conformance: NOT RUN, because they are not on this machine: " + strings.Join(absent.list, "; "))
	}
	os.Exit(code)
}

// realm is a farhold dev that runs, and a folder for a client's files.
type realm struct {
	t    *testing.T
	p    *process
	dir  string   // the client's
	data string   // the realm's
	base string   // scheme://host:port
	env  []string // the client's
	http *client
}

// start runs farhold dev, with TLS or without, and gives clients its variables.
func start(t *testing.T, tls bool) *realm {
	t.Helper()
	r := &realm{t: t, dir: t.TempDir(), data: filepath.Join(t.TempDir(), "data")}
	scheme, address := "http", fmt.Sprintf("127.0.0.1:%d", freePort(t, 1))
	args := []string{"dev", "--data", r.data, "--listen", address}
	if tls {
		scheme, args = "https", append(args, "--tls")
	}
	r.base = scheme + "://" + address
	r.launch(args...)
	return r
}

// launch starts the realm's process, and reads the variables that it prints.
func (r *realm) launch(args ...string) {
	r.t.Helper()
	r.p = launch(r.t, args...)
	r.p.ready(r.base)
	r.eventually("it prints what to paste", func() bool {
		_, rest, ok := strings.Cut(r.p.out.String(), "AWS_REGION=")
		return ok && strings.Contains(rest, "\n\n") // an empty line is the last
	})
	r.env = append(clientEnv(r.dir), exports(r.p.out.String())...)
	if r.http != nil {
		r.http.CloseIdleConnections()
	}
	r.http = newClient(r.t, strings.TrimPrefix(strings.TrimPrefix(r.base, "http://"), "https://"), r.get("AWS_CA_BUNDLE"))
}

// again starts the realm anew, after its process ended.
func (r *realm) again() {
	r.t.Helper()
	r.launch(r.p.args...)
}

// clientEnv is the environment of a client that nobody configured.
func clientEnv(home string) []string {
	return []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "PYENV_VERSION=" + os.Getenv("PYENV_VERSION"), "LANG=C.UTF-8",
		"AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1"}
}

// in gives the realm for a subtest.
func (r *realm) in(t *testing.T) *realm {
	c := *r
	c.t = t
	return &c
}

// get gives a variable of the clients' environment.
func (r *realm) get(name string) string {
	for _, v := range r.env {
		if rest, ok := strings.CutPrefix(v, name+"="); ok {
			return rest
		}
	}
	return ""
}

// run runs a client and gives what it printed.
func (r *realm) run(name string, args ...string) string {
	r.t.Helper()
	out, err := r.try(name, args...)
	if err != nil {
		r.t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return out
}

func (r *realm) try(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = r.env, r.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// eventually waits for what happens after the answer.
func (r *realm) eventually(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("it did not happen that %s", what)
		}
	}
}

// write makes a file in the client's folder.
func (r *realm) write(name string, content []byte) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *realm) read(name string) []byte {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// leaveOut skips a test for want of something that is not a command.
func leaveOut(t *testing.T, what string) {
	t.Helper()
	absent.add(fmt.Sprintf("%s (%s)", strings.TrimPrefix(t.Name(), "Test"), what))
	if required() {
		t.Fatalf("needed: %s", what)
	}
	t.Skipf("not run for want of %s", what)
}
