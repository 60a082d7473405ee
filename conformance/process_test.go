package conformance

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a farhold that runs, as a user starts it.
type process struct {
	t    *testing.T
	pid  int
	args []string
	out  lockedBuffer
	done chan struct{} // closed when it has ended
	err  error         // of its end, once done is closed
	cmd  *exec.Cmd
}

// command gives farhold with a clean environment.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"HOME=" + os.TempDir(), "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	return cmd
}

// launch starts farhold. When the test ends it is told to stop, unless it has
// ended; then it must stop in order, and within seconds.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, args: args, done: make(chan struct{}), cmd: command(t, args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.pid = p.cmd.Process.Pid
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		if !p.ended() {
			p.stop()
		}
		if t.Failed() {
			t.Logf("farhold %s printed:\n%s", strings.Join(args, " "), p.out.String())
		}
	})
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop sends SIGTERM and wants exit status 0 within seconds.
func (p *process) stop() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.stopped()
}

// stopped waits for the end that SIGTERM asked for.
func (p *process) stopped() {
	p.t.Helper()
	select {
	case <-p.done:
		if p.err != nil {
			p.t.Errorf("farhold %s after SIGTERM: %v", p.args[0], p.err)
		}
	case <-time.After(30 * time.Second):
		p.t.Errorf("farhold %s goes on after SIGTERM", p.args[0])
		p.kill()
	}
}

// kill sends SIGKILL and waits until the process is gone.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// ready waits until the process serves requests at an address.
func (p *process) ready(base string) {
	p.t.Helper()
	// Whose certificate it is doesn't matter here: the clients check it.
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		res, err := c.Get(base + "/-/ready")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("status %d", res.StatusCode)
		}
		if p.ended() {
			p.t.Fatalf("farhold %s ended: %v\n%s", p.args[0], p.err, p.out.String())
		}
		if time.Now().After(end) {
			p.t.Fatalf("farhold %s is not ready: %v", p.args[0], err)
		}
	}
}

// exports gives the variables that were printed to be pasted, as NAME=value.
func exports(printed string) []string {
	var env []string
	for line := range strings.Lines(printed) {
		if rest, ok := strings.CutPrefix(line, "export "); ok && strings.HasSuffix(line, "\n") {
			env = append(env, strings.Fields(rest)...)
		}
	}
	return env
}

// freePort gives the first of n ports in a row on loopback that nobody listens
// on now.
func freePort(t *testing.T, n int) int {
	t.Helper()
next:
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		open := []net.Listener{l}
		first := l.Addr().(*net.TCPAddr).Port
		for i := 1; i < n && err == nil; i++ {
			if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i)); err == nil {
				open = append(open, l)
			}
		}
		for _, l := range open {
			l.Close()
		}
		if err != nil {
			continue next
		}
		return first
	}
	t.Fatal("no free ports")
	return 0
}

// lockedBuffer is a buffer that a process writes while a test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
