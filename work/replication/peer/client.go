package peer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/work/replication"
)

// Dialer gives the way to a region's peer door: a client that talks to nobody
// else, follows no redirects and asks for no compression, and the address.
type Dialer interface {
	Client(region string) (*http.Client, string, error)
}

// Client is the Transport to other regions.
type Client struct {
	Dialer Dialer
	// Stall is how long a stream may make no progress before it is given up;
	// zero means 30 s. There is no limit on how long progress may take.
	Stall time.Duration
}

const (
	stallDefault = 30 * time.Second
	probeTimeout = 3 * time.Second
)

func link(err error) error { return fmt.Errorf("%w: %w", replication.ErrLink, err) }

// Probe asks whether the region's door answers.
func (c *Client) Probe(ctx context.Context, region string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	res, err := c.do(ctx, region, http.MethodGet, pathProbe, nil)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func (c *Client) do(ctx context.Context, region, method, path string, body io.Reader) (*http.Response, error) {
	client, base, err := c.Dialer.Client(region)
	if err != nil {
		return nil, link(err)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return nil, link(err)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, link(err)
	}
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 512))
		res.Body.Close()
		return nil, link(fmt.Errorf("status %d: %s", res.StatusCode, text))
	}
	return res, nil
}

// watchdog ends a stream on which nothing moves.
type watchdog struct {
	limit time.Duration
	timer *time.Timer
}

func (c *Client) watch(cancel context.CancelCauseFunc) *watchdog {
	w := &watchdog{limit: c.Stall}
	if w.limit == 0 {
		w.limit = stallDefault
	}
	w.timer = time.AfterFunc(w.limit, func() { cancel(errStalled) })
	return w
}

var errStalled = errors.New("peer: nothing moved on the stream for too long")

func (w *watchdog) moved() { w.timer.Reset(w.limit) }
func (w *watchdog) stop()  { w.timer.Stop() }

// movingWriter tells the watchdog of each write.
type movingWriter struct {
	w   io.Writer
	dog *watchdog
}

func (m movingWriter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.dog.moved()
	return n, err
}

var pieces = sync.Pool{New: func() any { return new([4 + chunkMax]byte) }}

// Ship sends a batch on one stream while it reads the answers.
func (c *Client) Ship(ctx context.Context, region string, batch []*replication.Shipment) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dog := c.watch(cancel)
	defer dog.stop()

	pr, pw := io.Pipe()
	// What could not be read here has its outcome without an answer. It is
	// noted when the sender is done, so that two goroutines never write one
	// shipment.
	unread := make([]error, len(batch))
	var sender sync.WaitGroup
	sender.Go(func() {
		out := bufio.NewWriterSize(movingWriter{pw, dog}, 64<<10)
		err := send(ctx, out, batch, unread)
		if err == nil {
			err = out.Flush()
		}
		pw.CloseWithError(err)
	})
	err := c.exchange(ctx, region, pr, dog, batch)
	pr.CloseWithError(io.ErrClosedPipe)
	sender.Wait()
	for i, e := range unread {
		if e != nil {
			batch[i].Answered, batch[i].Receipt, batch[i].Err = true, store.Receipt{}, fmt.Errorf("reading the body: %w", e)
		}
	}
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		err = link(errStalled)
	}
	return err
}

// send writes the shipments of a batch.
func send(ctx context.Context, out *bufio.Writer, batch []*replication.Shipment, unread []error) error {
	buf := pieces.Get().(*[4 + chunkMax]byte)
	defer pieces.Put(buf)
	var b []byte
	for i, sh := range batch {
		b = appendHead(b[:0], sh, sh.Body != nil, store.Segment{})
		if _, err := out.Write(b); err != nil {
			return err
		}
		if sh.Body == nil {
			continue
		}
		body, err := sh.Body(ctx)
		if err != nil {
			body = io.NopCloser(failing{err})
		}
		readErr, err := writeBody(out, body, buf[:])
		body.Close()
		if err != nil {
			return err
		}
		unread[i] = readErr
	}
	return nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// exchange posts the stream and reads the answers.
func (c *Client) exchange(ctx context.Context, region string, stream io.Reader, dog *watchdog, batch []*replication.Shipment) error {
	res, err := c.do(ctx, region, http.MethodPost, pathShip, stream)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	in := bufio.NewReader(res.Body)
	for range batch {
		if err := readAnswer(in, batch); err != nil {
			return link(noEOF(err))
		}
		dog.moved()
	}
	return nil
}

// Staged asks which segments of a body the region has.
func (c *Client) Staged(ctx context.Context, region string, sh *replication.Shipment) ([]store.Segment, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dog := c.watch(cancel)
	defer dog.stop()
	b := appendHead(nil, sh, false, store.Segment{})
	res, err := c.do(ctx, region, http.MethodPost, pathStaged, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return readSegments(bufio.NewReader(res.Body), &sh.Arrival)
}

// Stage sends a segment.
func (c *Client) Stage(ctx context.Context, region string, sh *replication.Shipment, seg store.Segment, body io.Reader) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dog := c.watch(cancel)
	defer dog.stop()
	answer := new(replication.Shipment)
	pr, pw := io.Pipe()
	var (
		sender sync.WaitGroup
		unread error
	)
	sender.Go(func() {
		buf := pieces.Get().(*[4 + chunkMax]byte)
		defer pieces.Put(buf)
		out := movingWriter{pw, dog}
		_, err := out.Write(appendHead(nil, sh, true, seg))
		if err == nil {
			unread, err = writeBody(out, body, buf[:])
		}
		pw.CloseWithError(err)
	})
	res, err := c.do(ctx, region, http.MethodPost, pathStage, pr)
	if err == nil {
		err = readAnswer(bufio.NewReader(res.Body), []*replication.Shipment{answer})
		res.Body.Close()
		if err != nil {
			err = link(noEOF(err))
		}
	}
	pr.CloseWithError(io.ErrClosedPipe)
	sender.Wait()
	switch {
	case unread != nil:
		return fmt.Errorf("reading the body: %w", unread)
	case err != nil:
		return err
	}
	return answer.Err
}

// Mended tells a region that something changed here that may have mended what
// it was refused.
func (c *Client) Mended(ctx context.Context, region string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	res, err := c.do(ctx, region, http.MethodPost, pathMended, nil)
	if err != nil {
		return err
	}
	return res.Body.Close()
}
