package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// ServeHandler serves the trivial handler on l until ctx is done: it reads and
// discards the body of a PUT or POST, and answers GET and HEAD with size bytes
// that it has in memory. It looks at nothing else, so what it reaches under a
// load is the most that any server built on net/http could. It closes l.
func ServeHandler(ctx context.Context, l net.Listener, size int64) error {
	answer := newBodies(size).open()
	answer.set(0, 0)
	var content []byte
	for _, p := range answer.appendTo(nil) {
		content = append(content, p...)
	}
	length := strconv.FormatInt(size, 10)
	s := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.Method {
			case http.MethodGet, http.MethodHead:
				w.Header().Set("Content-Length", length)
				w.Header().Set("Content-Type", "application/octet-stream")
				if r.Method == http.MethodGet {
					_, _ = w.Write(content) // A client that left needs no answer.
				}
			case http.MethodPut, http.MethodPost:
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					w.WriteHeader(http.StatusBadRequest)
				}
			case http.MethodDelete:
				w.WriteHeader(http.StatusNoContent)
			default:
				w.WriteHeader(http.StatusMethodNotAllowed)
			}
		}),
	}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listening begins the line by which a handler's process tells its address.
const listening = "listening on "

// RunHandler is the body of the process that StartHandler starts: it serves on
// a free port of 127.0.0.1, writes "listening on ADDRESS" to out, and ends when
// in is at its end or ctx is done.
func RunHandler(ctx context.Context, in io.Reader, out io.Writer, size int64) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "%s%s\n", listening, l.Addr()); err != nil {
		l.Close()
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // Ends with in, which is at its end when this process's parent is.
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	return ServeHandler(ctx, l, size)
}

// Handler is a process that serves the trivial handler.
type Handler struct {
	// Endpoint is its URL.
	Endpoint string
	// PID of the process.
	PID int

	cmd   *exec.Cmd
	stdin io.Closer
}

// StartHandler starts a command that calls RunHandler, and waits until it
// listens.
func StartHandler(ctx context.Context, name string, args ...string) (*Handler, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the handler: %w", err)
	}
	h := &Handler{PID: cmd.Process.Pid, cmd: cmd, stdin: stdin}
	stop := context.AfterFunc(ctx, func() { stdin.Close() })
	defer stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), listening)
	if err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("start the handler: it said %q", line), err, h.Stop())
	}
	h.Endpoint = "http://" + address
	return h, nil
}

// Stop ends the process: politely, and after five seconds by SIGKILL.
func (h *Handler) Stop() error {
	h.stdin.Close()
	t := time.AfterFunc(5*time.Second, func() { _ = h.cmd.Process.Kill() }) // Wait tells whether it ended.
	defer t.Stop()
	return h.cmd.Wait()
}

// Ceiling measures one workload, get or put, against a running handler with
// the client that measures S3. Nothing is prepared.
func Ceiling(ctx context.Context, h *Handler, o Options) (*Report, error) {
	t := Target{Endpoints: []string{h.Endpoint}, Region: "us-east-1", AccessKey: "handler", SecretKey: "handler", Bucket: "handler"}
	o.ServerPIDs = []int{h.PID}
	o.Prepared, o.Verify, o.Cleanup, o.Versioned = true, false, false, false
	if o.Workload != Get && o.Workload != Put && o.Workload != Head {
		return nil, fmt.Errorf("%w: the handler knows put, get and head only", ErrOptions)
	}
	o.Objects = 0
	if o.Workload != Put {
		o.Objects = 1_000_000 // Names are made for this many; all give the same answer.
	}
	o.PrepareClients = 1
	r, err := Run(ctx, t, o)
	if r != nil {
		r.Workload = "handler " + o.Workload
	}
	return r, err
}
