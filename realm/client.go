package realm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/farhold/farhold/s3"
)

// unreachableError says that another region could not be asked, or did not
// answer: whether it did what it was asked to is unknown.
type unreachableError struct {
	region string
	err    error
}

func (e *unreachableError) Error() string { return "realm: asking " + e.region + ": " + e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

// Ask puts a question that Answer mounts to another region and waits for the
// answer, at most for timeout.
func Ask[A any](ctx context.Context, d Dialer, region, path string, q any, timeout time.Duration) (*A, error) {
	if d == nil {
		return nil, &unreachableError{region, errors.New("no way to other regions")}
	}
	client, base, err := d.Client(region)
	if err != nil {
		return nil, &unreachableError{region, err}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, &unreachableError{region, err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, messageMax+1))
	if err == nil && len(b) > messageMax {
		err = errors.New("the answer is too long")
	}
	if err != nil {
		return nil, &unreachableError{region, err}
	}
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusMisdirectedRequest:
		return nil, &unreachableError{region, fmt.Errorf("%w: %s", ErrStale, strings.TrimSpace(string(b[:min(len(b), 512)])))}
	default:
		return nil, &unreachableError{region, fmt.Errorf("status %d: %s", res.StatusCode, strings.TrimSpace(string(b[:min(len(b), 512)])))}
	}
	a := new(A)
	if err := json.Unmarshal(b, a); err != nil {
		return nil, &unreachableError{region, err}
	}
	return a, nil
}

// askHome puts a question about a name to home elsewhere. Where home can't be
// asked, the other regions are asked whether it has moved.
func (r *Realm) askHome(ctx context.Context, path string, q nameQuestion) (*nameAnswer, error) {
	was := r.Home()
	a, err := r.askHomeOnce(ctx, path, q)
	var far *unreachableError
	if errors.As(err, &far) && r.lookForHome(ctx, was) && !r.IsHome() {
		return r.askHomeOnce(ctx, path, q)
	}
	return a, err
}

func (r *Realm) askHomeOnce(ctx context.Context, path string, q nameQuestion) (*nameAnswer, error) {
	q.Epoch = r.epoch()
	to := r.Home()
	a, err := Ask[nameAnswer](ctx, r.opt.Peers, to, path, q, r.opt.AskTimeout)
	if err != nil {
		return nil, err
	}
	if a.Epoch < q.Epoch {
		return nil, &unreachableError{to, fmt.Errorf("%w: home is of epoch %s, the realm of %s", ErrStale, epochName(a.Epoch), epochName(q.Epoch))}
	}
	if a.Held {
		n, err := decodeName(a.Row)
		if err != nil {
			return nil, err
		}
		return a, &heldError{*n}
	}
	if a.Stale {
		return a, ErrStale
	}
	return a, nil
}

func (r *Realm) claim(ctx context.Context, name string, uid s3.UID, owner string) error {
	if h := r.homeHere(); h != nil {
		if _, err := h.claim(ctx, r.opt.Region, name, uid, owner); !errors.Is(err, errNotHome) {
			return err
		}
	}
	_, err := r.askHome(ctx, pathClaim, nameQuestion{Name: name, UID: uid, Owner: owner})
	return err
}

func (r *Realm) confirm(ctx context.Context, name string, uid s3.UID) error {
	if h := r.homeHere(); h != nil {
		if _, err := h.confirm(ctx, r.opt.Region, name, uid); !errors.Is(err, errNotHome) {
			return err
		}
	}
	_, err := r.askHome(ctx, pathConfirm, nameQuestion{Name: name, UID: uid})
	return err
}

func (r *Realm) release(ctx context.Context, name string, uid s3.UID) error {
	if h := r.homeHere(); h != nil {
		if _, err := h.release(ctx, r.opt.Region, name, uid); !errors.Is(err, errNotHome) {
			return err
		}
	}
	_, err := r.askHome(ctx, pathRelease, nameQuestion{Name: name, UID: uid})
	return err
}
