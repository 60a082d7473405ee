package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// CeilingNetHTTP measures one workload, get or put, against a running handler
// with an ordinary net/http client that signs nothing: the ceiling as most
// published figures have it. It is lower than Ceiling's, because this client
// takes more of the machine.
func CeilingNetHTTP(ctx context.Context, h *Handler, o Options) (*Report, error) {
	if o.Workload != Get && o.Workload != Put || o.Clients < 1 || o.Duration <= 0 || o.Size < 0 {
		return nil, fmt.Errorf("%w: the net/http client needs put or get, clients, a duration and a size", ErrOptions)
	}
	o.ServerPIDs = []int{h.PID}
	transport := &http.Transport{MaxIdleConnsPerHost: o.Clients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	content := newBodies(o.Size).open()
	content.set(0, 0)
	body := bytes.Join(content.appendTo(nil), nil)

	t := Target{Endpoints: []string{h.Endpoint}, Bucket: "handler"}
	r := &Report{Workload: "handler, net/http client, " + o.Workload, Started: time.Now().UTC(), Machine: ThisMachine(), Settings: settings(&t, &o)}
	actors := make([]actor, o.Clients)
	for i := range actors {
		buf := make([]byte, 64<<10)
		url := fmt.Sprintf("%s/handler/%d", h.Endpoint, i)
		actors[i] = func() (outcome, bool) {
			begin := time.Now()
			err := netHTTP(ctx, client, o.Workload, url, body, buf)
			return outcome{op: o.Workload, bytes: o.Size, elapsed: time.Since(begin), err: err}, true
		}
	}
	l := loop{warmup: o.Warmup, duration: o.Duration, pids: o.ServerPIDs, progress: o.Progress, phase: r.Workload}
	m, err := l.run(ctx, actors)
	if err != nil {
		return nil, err
	}
	r.Seconds, r.Operations, r.PerSecond, r.Load, r.Interrupted = m.seconds, m.operations, m.perSecond, m.load, m.interrupted
	return r, nil
}

func netHTTP(ctx context.Context, client *http.Client, workload, url string, body, buf []byte) error {
	method, content := http.MethodGet, io.Reader(nil)
	if workload == Put {
		method, content = http.MethodPut, bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, buf)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || workload == Get && n != int64(len(body)) {
		return fmt.Errorf("%w: %s and %d bytes", errContent, resp.Status, n)
	}
	return nil
}
