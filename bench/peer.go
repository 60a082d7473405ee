package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// peerEnd is how long a peer that this process started may take to end after
// SIGTERM before it gets SIGKILL.
const peerEnd = 30 * time.Second

// Peer is the process that serves the destination, which an outage kills and
// starts again. Either Command is given, and this process starts it at the
// beginning and ends it at the end; or PID and Restart are, for a process that
// runs already; what Restart starts is left running.
type Peer struct {
	// PID is the process to kill.
	PID int
	// Restart is the command that starts it again, as one line for sh. It must
	// stay in the foreground.
	Restart string
	// Command starts the peer, now and again after the kill, like Restart.
	Command string
	// Ready is the URL that answers 200 once the peer serves; the
	// destination's first endpoint with /-/ready when empty.
	Ready string
	// Log gets what the command writes; nowhere when nil.
	Log *os.File
	// ReadyTimeout bounds the wait for Ready; 0 means five minutes.
	ReadyTimeout time.Duration

	client  *http.Client
	process *exec.Cmd
	exited  chan struct{}
}

// ErrPeer is wrapped by what goes wrong with the peer's process.
var ErrPeer = errors.New("bench: peer")

func (p *Peer) begin(ctx context.Context, t *Target) error {
	if (p.Command == "") == (p.PID == 0) || (p.PID == 0) != (p.Restart == "") || p.PID < 0 || p.PID == os.Getpid() {
		return fmt.Errorf("%w: either a command, or a process ID and a restart command", ErrPeer)
	}
	if p.Ready == "" {
		p.Ready = strings.TrimSuffix(t.Endpoints[0], "/") + "/-/ready"
	}
	if p.ReadyTimeout == 0 {
		p.ReadyTimeout = 5 * time.Minute
	}
	p.client = &http.Client{
		Timeout: time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: t.RootCAs, InsecureSkipVerify: t.Insecure},
		},
	}
	if p.Command == "" {
		return p.await(ctx)
	}
	if p.ready(ctx) {
		return fmt.Errorf("%w: %s answers before the command was started; end what serves it first", ErrPeer, p.Ready)
	}
	p.Restart = p.Command
	return p.restart(ctx)
}

// end stops a peer that belongs to this process.
func (p *Peer) end() {
	if p.Command == "" || p.process == nil {
		return
	}
	// An error means that it has exited, which is then seen below.
	_ = p.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(peerEnd):
		_ = p.process.Process.Kill()
		<-p.exited
	}
}

func (p *Peer) pid() int {
	if p.process != nil {
		return p.process.Process.Pid
	}
	return p.PID
}

// kill sends SIGKILL and waits until the process is gone.
func (p *Peer) kill(ctx context.Context) error {
	process, err := os.FindProcess(p.pid())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPeer, err)
	}
	if err := process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("%w: kill %d: %w", ErrPeer, p.pid(), err)
	}
	if p.process != nil {
		<-p.exited
		return nil
	}
	// Somebody else's child: it is gone, or a zombie, when nothing of it runs.
	for range 1000 {
		if !running(p.pid()) {
			return nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %d is still there 10 s after SIGKILL", ErrPeer, p.pid())
}

// running tells whether a process exists and is no zombie.
func running(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil || process.Signal(syscall.Signal(0)) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// restart starts the command and waits until the peer is ready.
func (p *Peer) restart(ctx context.Context) error {
	// exec makes the shell become the command, so that the process ID is its.
	cmd := exec.Command("/bin/sh", "-c", "exec "+p.Restart)
	if p.Log != nil {
		cmd.Stdout, cmd.Stderr = p.Log, p.Log
	}
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: start: %w", ErrPeer, err)
	}
	exited := make(chan struct{})
	go func() { // Ends with the process.
		_ = cmd.Wait() // How it ended is in cmd.ProcessState.
		close(exited)
	}()
	p.process, p.exited = cmd, exited
	return p.await(ctx)
}

// await polls the ready URL each few milliseconds.
func (p *Peer) await(ctx context.Context) error {
	deadline := time.Now().Add(p.ReadyTimeout)
	for {
		if p.ready(ctx) {
			return nil
		}
		if p.process != nil {
			select {
			case <-p.exited:
				return fmt.Errorf("%w: the command ended: %s", ErrPeer, p.process.ProcessState)
			default:
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %s did not answer 200 within %v", ErrPeer, p.Ready, p.ReadyTimeout)
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

func (p *Peer) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Ready, nil)
	if err != nil {
		return false
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return err == nil && resp.StatusCode == http.StatusOK
}
