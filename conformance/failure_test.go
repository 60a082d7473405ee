package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// bodyOf gives the only body that a key may have: of a size that lives in the
// version's row, in a pack, or in a file of its own.
func bodyOf(key string, n int) []byte {
	size := []int{0, 3000, 4096, 70_000, 300_000, 3 << 20}[n%6]
	sum := sha256.Sum256([]byte(key))
	return bytes.Repeat(sum[:], size/len(sum)+1)[:size]
}

// acknowledged is what the server said is there.
type acknowledged struct {
	mu   sync.Mutex
	keys map[string]ack
}

type ack struct {
	n             int
	version, etag string
}

func (a *acknowledged) add(key string, k ack) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[key] = k
}

func (a *acknowledged) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.keys)
}

// storm puts objects until the process is gone.
func storm(r *realm, round int, acks *acknowledged) (wait func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var wg sync.WaitGroup
	for w := range 8 {
		c := r.s3("us-east-1")
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				n := w + i
				key := fmt.Sprintf("r%d/w%d/%05d-%d", round, w, i, n%6)
				out, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("storm"), Key: &key, Body: bytes.NewReader(bodyOf(key, n))})
				if err != nil {
					return // not acknowledged: it may be there or not
				}
				acks.add(key, ack{n, aws.ToString(out.VersionId), aws.ToString(out.ETag)})
			}
		})
	}
	c := r.s3("us-east-1")
	wg.Go(func() { // multipart uploads: their key has the body of number 5
		for i := 0; ctx.Err() == nil; i++ {
			key := fmt.Sprintf("r%d/parts/%05d-5", round, i)
			open, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("storm"), Key: &key})
			if err != nil {
				return
			}
			up, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String("storm"), Key: &key, UploadId: open.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(bodyOf(key, 5))})
			if err != nil {
				return
			}
			out, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: aws.String("storm"), Key: &key, UploadId: open.UploadId,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: up.ETag}}}})
			if err != nil {
				return
			}
			acks.add(key, ack{5, aws.ToString(out.VersionId), aws.ToString(out.ETag)})
		}
	})
	return func() {
		wg.Wait()
		cancel()
	}
}

// list gives every key of a bucket with its version.
func list(r *realm, region, bucket string) map[string]string {
	r.t.Helper()
	all := map[string]string{}
	for pages := s3.NewListObjectVersionsPaginator(r.s3(region), &s3.ListObjectVersionsInput{Bucket: &bucket}); pages.HasMorePages(); {
		out, err := pages.NextPage(r.t.Context())
		must(r, out, err)
		for _, v := range out.Versions {
			if all[*v.Key] != "" {
				r.t.Errorf("%s in %s has two versions", *v.Key, bucket)
			}
			all[*v.Key] = *v.VersionId
		}
	}
	return all
}

// TestKill: kill -9 during a storm of puts, three times over. What was
// acknowledged is there, nothing is half there, and both regions agree.
func TestKill(t *testing.T) {
	t.Parallel()
	r := start(t, false)
	r.bucket("us-east-1", "storm", "enabled")
	r.bucket("eu-west-1", "calm", "enabled")
	r.replicate("us-east-1", "storm", rule("eu", "calm", 1))
	acks := &acknowledged{keys: map[string]ack{}}
	for round := range 3 {
		before := acks.len()
		wait := storm(r, round, acks)
		r.eventually("the storm is on", func() bool { return acks.len() >= before+60 })
		r.p.kill()
		wait()
		t.Logf("round %d: killed after %d acknowledged", round, acks.len()-before)
		r.again()
	}
	all := list(r, "us-east-1", "storm")
	for key, a := range acks.keys {
		if all[key] != a.version {
			t.Errorf("%s was acknowledged as version %s, and is %q", key, a.version, all[key])
			continue
		}
		h, err := r.head("us-east-1", "storm", key)
		if must(r, h, err); *h.ETag != a.etag {
			t.Errorf("%s has ETag %s, was %s", key, *h.ETag, a.etag)
		}
	}
	t.Logf("%d acknowledged, %d there", len(acks.keys), len(all))
	for key := range all { // also those whose answer was lost
		n := int(key[len(key)-1] - '0')
		equal(t, key, r.body("us-east-1", "storm", key), bodyOf(key, n))
	}
	// What is there is at the other region too, and nothing else.
	for key := range all {
		r.await("us-east-1", "storm", key, types.ReplicationStatusCompleted)
	}
	there := list(r, "eu-west-1", "calm")
	if len(there) != len(all) {
		t.Errorf("%d at the source, %d at the destination", len(all), len(there))
	}
	for key, version := range all {
		if there[key] != version {
			t.Errorf("%s is version %s at the source and %q at the destination", key, version, there[key])
			continue
		}
		equal(t, key+" at the destination", r.body("eu-west-1", "calm", key), bodyOf(key, int(key[len(key)-1]-'0')))
	}
}

// TestStop: SIGTERM while a body is on its way, and a second process.
func TestStop(t *testing.T) {
	t.Parallel()
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			r := start(t, tls)
			r.bucket("us-west-2", "stop")
			second := command(t, r.p.args...)
			if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), fmt.Sprintf("in use by process %d", r.p.pid)) {
				t.Errorf("a second process on the folder: %v\n%s", err, out)
			}
			r.put("us-west-2", "stop", "first", "goes on")

			body := random(6 << 20)
			in, out := io.Pipe()
			put, err := s3.NewPresignClient(r.s3("us-west-2")).PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("stop"), Key: aws.String("under way")})
			must(r, put, err)
			req, err := http.NewRequestWithContext(t.Context(), put.Method, put.URL, in)
			must(r, req, err)
			req.ContentLength = int64(len(body))
			answered := make(chan error, 1)
			go func() {
				res, err := r.http.Do(req)
				if err == nil {
					if res.Body.Close(); res.StatusCode != http.StatusOK {
						err = fmt.Errorf("status %d", res.StatusCode)
					}
				}
				answered <- err
			}()
			out.Write(body[:len(body)/2]) // returns when it was sent
			r.p.cmd.Process.Signal(syscall.SIGTERM)
			r.eventually("it is not ready any more", func() bool {
				res, err := (&http.Client{Transport: r.http.Transport.(*http.Transport).Clone()}).Get(r.base + "/-/ready")
				if err != nil {
					return true
				}
				res.Body.Close()
				return res.StatusCode != http.StatusOK
			})
			if r.p.ended() {
				t.Fatal("it ended with a request under way")
			}
			out.Write(body[len(body)/2:])
			out.Close()
			if err := <-answered; err != nil {
				t.Errorf("the put under way at SIGTERM: %v", err)
			}
			r.p.stopped()
			r.again()
			equal(t, "what was under way", r.body("us-west-2", "stop", "under way"), body)
			equal(t, "what was there before", r.body("us-west-2", "stop", "first"), []byte("goes on"))
		})
	}
}

// processes is a realm with a process for each region.
type processes struct {
	dir     string
	regions map[string]*realm // each of them is a realm for its clients
}

// startProcesses makes a realm of three and starts it, by the commands of the
// README.
func startProcesses(t *testing.T, tls bool) *processes {
	t.Helper()
	names := []string{"us-east-1", "us-west-2", "eu-west-1"}
	ports := freePort(t, 7)
	p := &processes{dir: filepath.Join(t.TempDir(), "realm"), regions: map[string]*realm{}}
	args := []string{"realm", "init", p.dir, "--home", names[0], "--regions", names[1],
		"--listen", fmt.Sprintf("127.0.0.1:%d", ports), "--peer", fmt.Sprintf("127.0.0.1:%d", ports+3)}
	add := []string{"realm", "add-region", names[2], "--dir", p.dir,
		"--listen", fmt.Sprintf("127.0.0.1:%d", ports+2), "--peer", fmt.Sprintf("127.0.0.1:%d", ports+5)}
	scheme := "http"
	if tls {
		scheme, args, add = "https", append(args, "--tls"), append(add, "--tls")
	}
	printed, err := command(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	if out, err := command(t, add...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, name := range names {
		r := &realm{t: t, dir: t.TempDir(), base: fmt.Sprintf("%s://127.0.0.1:%d", scheme, ports+i)}
		r.env = append(clientEnv(r.dir), exports(string(printed))...)
		r.env = append(r.env, "AWS_ENDPOINT_URL="+r.base, "AWS_REGION="+name, "AWS_DEFAULT_REGION="+name)
		r.http = newClient(t, strings.TrimPrefix(r.base, scheme+"://"), r.get("AWS_CA_BUNDLE"))
		p.regions[name] = r
		p.serve(t, name)
	}
	return p
}

func (p *processes) serve(t *testing.T, name string) {
	t.Helper()
	r := p.regions[name]
	r.p = launch(t, "serve", "--config", filepath.Join(p.dir, name, "farhold.yaml"))
	r.p.ready(r.base)
}

// TestOutage: of three regions one is killed. What is put meanwhile is PENDING,
// also when the source is killed on top; everything arrives when both are back.
func TestOutage(t *testing.T) {
	t.Parallel()
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) { outage(t, startProcesses(t, tls)) })
	}
}

func outage(t *testing.T, p *processes) {
	east, west, europe := p.regions["us-east-1"], p.regions["us-west-2"], p.regions["eu-west-1"]
	east.bucket("us-east-1", "source", "enabled")
	west.bucket("us-west-2", "west", "enabled")
	europe.bucket("eu-west-1", "europe", "enabled")
	east.replicate("us-east-1", "source", rule("west", "west", 1), rule("eu", "europe", 2))
	east.put("us-east-1", "source", "first", "x")
	east.await("us-east-1", "source", "first", types.ReplicationStatusCompleted)

	west.p.kill()
	var keys []string
	for i := range 60 {
		key := fmt.Sprintf("down/%03d-%d", i, i%6)
		east.put("us-east-1", "source", key, string(bodyOf(key, i)))
		keys = append(keys, key)
	}
	if _, err := east.s3("us-east-1").DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("source"), Key: aws.String("first")}); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		europe.eventually(key+" is in the region that is up", func() bool {
			_, err := europe.head("eu-west-1", "europe", key)
			return err == nil
		})
		h, err := east.head("us-east-1", "source", key)
		if must(east, h, err); h.ReplicationStatus != types.ReplicationStatusPending {
			t.Errorf("%s is %s while a destination is down", key, h.ReplicationStatus)
		}
	}
	east.p.kill()
	p.serve(t, "us-east-1")
	h, err := east.head("us-east-1", "source", keys[0])
	if must(east, h, err); h.ReplicationStatus != types.ReplicationStatusPending {
		t.Errorf("%s is %s after the source was killed too", keys[0], h.ReplicationStatus)
	}
	p.serve(t, "us-west-2")
	for i, key := range keys {
		at := east.await("us-east-1", "source", key, types.ReplicationStatusCompleted)
		got, err := west.head("us-west-2", "west", key)
		if must(west, got, err); facts(got) != facts(at) || got.ReplicationStatus != types.ReplicationStatusReplica {
			t.Errorf("%s arrived as\n%s\nwant\n%s", key, facts(got), facts(at))
		}
		equal(t, key, west.body("us-west-2", "west", key), bodyOf(key, i))
	}
	west.eventually("the delete marker arrives", func() bool {
		_, err := west.head("us-west-2", "west", "first")
		return err != nil
	})

	// A bucket elsewhere: AWS's redirect, which names the region and the place.
	get, err := s3.NewPresignClient(east.s3("us-east-1")).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("west"), Key: aws.String(keys[1])})
	must(east, get, err)
	res, b := east.http.do(t, "GET", get.URL, get.SignedHeader, nil)
	if res.StatusCode != http.StatusMovedPermanently || res.Header.Get("X-Amz-Bucket-Region") != "us-west-2" || !strings.Contains(b, "<Code>PermanentRedirect</Code>") ||
		!strings.Contains(b, "<Endpoint>") || !strings.Contains(b, "<Bucket>west</Bucket>") {
		t.Errorf("through the wrong region: %d %v %s", res.StatusCode, res.Header, b)
	}
	if location, err := east.s3("us-east-1").HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("west")}); err == nil {
		t.Errorf("head of a bucket elsewhere: %v", location)
	}
}

//go:embed redirect_boto3.py
var redirectBoto3 []byte

// TestRedirect: clients of one region ask for a bucket of another.
func TestRedirect(t *testing.T) {
	t.Parallel()
	python := need(t, "python3", "-c", "import boto3; print('boto3', boto3.__version__)")
	p := startProcesses(t, false)
	east, west := p.regions["us-east-1"], p.regions["us-west-2"]
	west.bucket("us-west-2", "west")
	east.env = append(east.env, "WEST="+west.base)
	east.write("redirect.py", redirectBoto3)
	t.Log(east.run(python, "redirect.py"))
}

// TestDamage: a blob that was changed on disk is an error with a name, never an
// object that isn't there.
func TestDamage(t *testing.T) {
	t.Parallel()
	r := start(t, false)
	r.bucket("us-east-1", "damage")
	body := random(2 << 20)
	r.put("us-east-1", "damage", "large", string(body))
	r.put("us-east-1", "damage", "small", "small")
	r.p.stop()
	changed := 0
	err := filepath.WalkDir(filepath.Join(r.data, "us-east-1"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() < 2<<20 || !strings.Contains(path, "blob") {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		one := make([]byte, 1)
		if _, err := f.ReadAt(one, 1<<20); err != nil {
			return err
		}
		one[0] ^= 1
		_, err = f.WriteAt(one, 1<<20)
		changed++
		return err
	})
	if err != nil || changed == 0 {
		t.Fatalf("changed %d files: %v", changed, err)
	}
	r.again()
	out, err := r.s3("us-east-1").GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("damage"), Key: aws.String("large")})
	if err == nil {
		var b []byte
		b, err = io.ReadAll(out.Body)
		out.Body.Close()
		if err == nil {
			t.Errorf("a changed blob was served: %d bytes, as put: %v", len(b), bytes.Equal(b, body))
		}
	}
	if err != nil && strings.Contains(err.Error(), "NoSuchKey") {
		t.Errorf("a changed blob is called missing: %v", err)
	}
	r.eventually("the log names it", func() bool {
		return strings.Contains(r.p.out.String(), "large") || strings.Contains(r.p.out.String(), "corrupt")
	})
	equal(t, "what is whole", r.body("us-east-1", "damage", "small"), []byte("small"))
}
