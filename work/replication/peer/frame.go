// Package peer carries replication between regions: framed streams of
// shipments over HTTP/2 with mutual TLS, answered one by one as they are
// stored, so that round-trip time does not set the rate. docs/formats/peer.md
// describes the protocol.
package peer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/work/replication"
)

// Paths of the peer door.
const (
	pathProbe  = "/replication/v1/probe"
	pathShip   = "/replication/v1/ship"
	pathStaged = "/replication/v1/staged"
	pathStage  = "/replication/v1/stage"
	pathMended = "/replication/v1/mended"
)

// Bounds of the protocol.
const (
	headMax  = 4 << 20   // bytes of a shipment's head: 10,000 parts fit
	chunkMax = 256 << 10 // bytes of a piece of a body
	aborted  = 0xffffffff
)

var errFrame = errors.New("peer: malformed frame")

// Fields of a shipment's head.
const (
	headKind protowire.Number = iota + 1
	headBucket
	headVersion
	headStaged
	headBody
	headIndex
	headOffset
	headLength
	headUID
	headRole
	headAccount
	headSource
	headKeyID
	headOwner
	headAsk
	headSealed
)

// Fields of a sealed body's description, and of one of its runs.
const (
	sealedWrapped protowire.Number = iota + 1
	sealedRun
)

const (
	runPart protowire.Number = iota + 1
	runSeq
	runStream
	runSize
	runDigest
)

// Kinds of shipments.
const (
	kindVersion = 1
	kindSide    = 2
)

// head is what precedes a body.
type head struct {
	shipment *replication.Shipment
	body     bool // a body follows, in pieces
	segment  store.Segment
}

func appendHead(b []byte, sh *replication.Shipment, body bool, seg store.Segment) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	if sh.Side != nil {
		b = s3.AppendUint(b, headKind, kindSide)
		b = s3.AppendString(b, headBucket, sh.Side.Bucket)
		b = s3.AppendString(b, headUID, string(sh.Side.UID))
		v := s3.Version{Key: sh.Side.Key, ID: sh.Side.ID, Tags: sh.Side.Tags, Retention: sh.Side.Retention, Hold: sh.Side.Hold, ACL: sh.Side.ACL}
		b = s3.AppendBytes(b, headVersion, s3.AppendVersion(nil, &v))
	} else {
		b = s3.AppendUint(b, headKind, kindVersion)
		b = s3.AppendString(b, headBucket, sh.Arrival.Bucket)
		b = s3.AppendString(b, headUID, string(sh.Arrival.UID))
		b = s3.AppendBytes(b, headVersion, s3.AppendVersion(nil, &sh.Arrival.Version))
		if sh.Arrival.Staged {
			b = s3.AppendUint(b, headStaged, 1)
		}
	}
	if body {
		b = s3.AppendUint(b, headBody, 1)
	}
	b = s3.AppendString(b, headRole, sh.Pass.Role)
	b = s3.AppendString(b, headAccount, sh.Pass.Account)
	b = s3.AppendString(b, headSource, sh.Pass.Bucket)
	b = s3.AppendString(b, headKeyID, sh.KeyID)
	b = s3.AppendString(b, headOwner, sh.Owner)
	if sh.Ask {
		b = s3.AppendUint(b, headAsk, 1)
	}
	if sealed := sh.Arrival.Sealed; sealed != nil {
		b = s3.AppendBytes(b, headSealed, appendSealed(nil, sealed))
	}
	b = s3.AppendUint(b, headIndex, uint64(seg.Index))
	b = s3.AppendUint(b, headOffset, uint64(seg.Offset))
	b = s3.AppendUint(b, headLength, uint64(seg.Length))
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// readHead reads the next head, or io.EOF at the end of the stream.
func readHead(r *bufio.Reader) (*head, error) {
	raw, err := readFrame(r, headMax)
	if err != nil {
		return nil, err
	}
	h := &head{shipment: &replication.Shipment{}}
	var (
		kind    uint64
		bucket  string
		uid     s3.UID
		version s3.Version
		staged  bool
		sealed  *store.Sealed
	)
	sh := h.shipment
	err = s3.Fields(raw, func(num protowire.Number, x uint64, raw, _ []byte) (err error) {
		switch num {
		case headKind:
			kind = x
		case headBucket:
			bucket = string(raw)
		case headUID:
			uid = s3.UID(raw)
		case headVersion:
			version, err = s3.ParseVersion(raw, nil)
		case headStaged:
			staged = x != 0
		case headBody:
			h.body = x != 0
		case headIndex:
			h.segment.Index = int(x)
		case headOffset:
			h.segment.Offset = int64(x)
		case headLength:
			h.segment.Length = int64(x)
		case headRole:
			sh.Pass.Role = string(raw)
		case headAccount:
			sh.Pass.Account = string(raw)
		case headSource:
			sh.Pass.Bucket = string(raw)
		case headKeyID:
			sh.KeyID = string(raw)
		case headOwner:
			sh.Owner = string(raw)
		case headAsk:
			sh.Ask = x != 0
		case headSealed:
			sealed, err = readSealed(raw)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	case kind == kindSide:
		sh.Side = &store.SideArrival{Bucket: bucket, UID: uid, Key: version.Key, ID: version.ID,
			Tags: version.Tags, Retention: version.Retention, Hold: version.Hold, ACL: version.ACL}
	case kind == kindVersion:
		sh.Arrival = store.Arrival{Bucket: bucket, UID: uid, Version: version, Staged: staged, Sealed: sealed}
	default:
		return nil, fmt.Errorf("%w: kind %d", errFrame, kind)
	}
	return h, nil
}

func appendSealed(b []byte, s *store.Sealed) []byte {
	b = s3.AppendBytes(b, sealedWrapped, s.Wrapped)
	for i := range s.Runs {
		r := &s.Runs[i]
		m := s3.AppendUint(nil, runPart, uint64(r.Part))
		m = s3.AppendUint(m, runSeq, uint64(r.Seq))
		m = s3.AppendBytes(m, runStream, r.Stream[:])
		m = s3.AppendUint(m, runSize, uint64(r.Size))
		m = protowire.AppendFixed64(protowire.AppendTag(m, runDigest, protowire.Fixed64Type), r.Digest)
		b = s3.AppendBytes(b, sealedRun, m)
	}
	return b
}

func readSealed(raw []byte) (*store.Sealed, error) {
	s := new(store.Sealed)
	err := s3.Fields(raw, func(num protowire.Number, _ uint64, raw, _ []byte) error {
		switch num {
		case sealedWrapped:
			s.Wrapped = bytes.Clone(raw)
		case sealedRun:
			s.Runs = append(s.Runs, store.SealedRun{})
			r := &s.Runs[len(s.Runs)-1]
			return s3.Fields(raw, func(num protowire.Number, x uint64, raw, _ []byte) error {
				switch num {
				case runPart:
					r.Part = int(x)
				case runSeq:
					r.Seq = int(x)
				case runStream:
					if len(raw) != len(r.Stream) {
						return errFrame
					}
					copy(r.Stream[:], raw)
				case runSize:
					if r.Size = int64(x); r.Size < 0 {
						return errFrame
					}
				case runDigest:
					r.Digest = x
				}
				return nil
			})
		}
		return nil
	})
	return s, err
}

// readFrame reads a length and as many bytes; io.EOF when the stream ends
// before a frame.
func readFrame(r *bufio.Reader, max uint32) ([]byte, error) {
	var n [4]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errFrame
		}
		return nil, err
	}
	size := binary.BigEndian.Uint32(n[:])
	if size > max {
		return nil, fmt.Errorf("%w: %d bytes", errFrame, size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, noEOF(err))
	}
	return b, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// writeBody writes a body in pieces: a length and as many bytes, and a length
// of 0 at the end. When the body cannot be read to its end it says so, and the
// stream goes on.
func writeBody(w io.Writer, body io.Reader, buf []byte) (readErr, err error) {
	var n [4]byte
	for {
		m, e := io.ReadFull(body, buf[4:])
		if e != nil && e != io.EOF && e != io.ErrUnexpectedEOF {
			binary.BigEndian.PutUint32(n[:], aborted)
			_, err := w.Write(n[:])
			return e, err
		}
		binary.BigEndian.PutUint32(buf, uint32(m))
		if m > 0 {
			if _, err := w.Write(buf[:4+m]); err != nil {
				return nil, err
			}
		}
		if e != nil {
			_, err := w.Write(n[:])
			return nil, err
		}
	}
}

// errAborted says that the source could not read a body to its end.
var errAborted = errors.New("peer: the source could not read the body to its end")

// bodyReader reads what writeBody wrote.
type bodyReader struct {
	r    *bufio.Reader
	left uint32
	err  error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	for b.left == 0 && b.err == nil {
		var n [4]byte
		if _, err := io.ReadFull(b.r, n[:]); err != nil {
			b.err = fmt.Errorf("%w: %w", errFrame, noEOF(err))
			break
		}
		switch size := binary.BigEndian.Uint32(n[:]); {
		case size == 0:
			b.err = io.EOF
		case size == aborted:
			b.err = errAborted
		case size > chunkMax:
			b.err = errFrame
		default:
			b.left = size
		}
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p[:min(len(p), int(b.left))])
	b.left -= uint32(n)
	if err != nil {
		b.err = fmt.Errorf("%w: %w", errFrame, noEOF(err))
	}
	return n, nil
}

// drain reads a body to its end, so that the next head follows.
func (b *bodyReader) drain() error {
	_, err := io.Copy(io.Discard, b)
	if errors.Is(err, errAborted) {
		err = nil
	}
	return err
}

// Fields of an answer.
const (
	answerSeq protowire.Number = iota + 1
	answerName
	answerText
	answerSize
	answerDigest
	answerAlready
	answerDiscarded
	answerError
	answerStopped
)

// answerMax bounds an answer in bytes.
const answerMax = 64 << 10

func appendAnswer(b []byte, seq int, sh *replication.Shipment) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = s3.AppendUint(b, answerSeq, uint64(seq))
	if sh.Err != nil {
		b = s3.AppendUint(b, answerError, 1)
		b = s3.AppendString(b, answerName, replication.Name(sh.Err))
		text := sh.Err.Error()
		b = s3.AppendString(b, answerText, text[:min(len(text), 1024)])
	} else {
		b = s3.AppendUint(b, answerSize, uint64(sh.Receipt.Size))
		b = protowire.AppendFixed64(protowire.AppendTag(b, answerDigest, protowire.Fixed64Type), sh.Receipt.Digest)
		if sh.Receipt.Already {
			b = s3.AppendUint(b, answerAlready, 1)
		}
		if sh.Receipt.Discarded {
			b = s3.AppendUint(b, answerDiscarded, 1)
		}
		if sh.Stopped {
			b = s3.AppendUint(b, answerStopped, 1)
		}
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// readAnswer reads the next answer into its shipment of the batch.
func readAnswer(r *bufio.Reader, batch []*replication.Shipment) error {
	raw, err := readFrame(r, answerMax)
	if err != nil {
		return err
	}
	var (
		seq        = uint64(0)
		failed     bool
		stopped    bool
		name, text string
		rc         store.Receipt
	)
	err = s3.Fields(raw, func(num protowire.Number, x uint64, raw, _ []byte) error {
		switch num {
		case answerSeq:
			seq = x
		case answerError:
			failed = x != 0
		case answerName:
			name = string(raw)
		case answerText:
			text = string(raw)
		case answerSize:
			rc.Size = int64(x)
		case answerDigest:
			rc.Digest = x
		case answerAlready:
			rc.Already = x != 0
		case answerDiscarded:
			rc.Discarded = x != 0
		case answerStopped:
			stopped = x != 0
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	if seq >= uint64(len(batch)) || batch[seq].Answered {
		return fmt.Errorf("%w: an answer to nothing", errFrame)
	}
	sh := batch[seq]
	sh.Answered, sh.Receipt, sh.Stopped = true, rc, stopped
	if failed {
		sh.Err = replication.FromName(name, text)
	}
	return nil
}
