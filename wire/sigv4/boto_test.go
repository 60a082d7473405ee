package sigv4

import (
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// botoScript makes presigned URLs and forms as boto3 does, in its default
// signature version (2) and in version 4, with long-term and with temporary
// credentials, and then sends signed requests of its own.
const botoScript = `
import json, sys, boto3
from botocore.config import Config
url, key, secret, temp, tempsecret, token = sys.argv[1:7]
out = []
for version in (None, 's3', 's3v4'):
    for k, s, t in ((key, secret, None), (temp, tempsecret, token)):
        c = boto3.client('s3', endpoint_url=url, region_name='us-east-1', aws_access_key_id=k, aws_secret_access_key=s,
                         aws_session_token=t, config=Config(signature_version=version, s3={'addressing_style': 'path'}, retries={'total_max_attempts': 1}))
        for name in ('plain', 'a b+c/\u00fc//x', '../up', "tilde~(and)*'!", 'percent%2Fsign'):
            p = {'Bucket': 'bucket', 'Key': name}
            def url_of(op, method, headers={}, **more):
                out.append({'version': version, 'method': method, 'headers': headers, 'url': c.generate_presigned_url(op, Params=dict(p, **more), ExpiresIn=600)})
            url_of('get_object', 'GET')
            url_of('get_object', 'GET', VersionId='3/L4+kq', ResponseContentType='text/x+y; q=1', ResponseContentDisposition='attachment; filename="a b.txt"')
            url_of('head_object', 'HEAD')
            url_of('delete_object', 'DELETE')
            url_of('put_object', 'PUT')
            url_of('put_object', 'PUT', {'Content-Type': 'image/png', 'x-amz-meta-colour': 'dark  green', 'x-amz-acl': 'private'} if version == 's3v4' else {'Content-Type': 'image/png'},
                   ContentType='image/png', Metadata={'colour': 'dark  green'}, ACL='private')
            url_of('upload_part', 'PUT', PartNumber=7, UploadId='u/+=')
            url_of('list_parts', 'GET', UploadId='u', MaxParts=5)
            form = c.generate_presigned_post('bucket', name, Fields={'acl': 'private', 'Content-Type': 'image/png'},
                Conditions=[{'acl': 'private'}, ['starts-with', '$Content-Type', 'image/'], ['content-length-range', 1, 10]], ExpiresIn=600)
            out.append({'version': version, 'fields': form['fields']})
        out.append({'version': version, 'method': 'GET', 'headers': {}, 'url': c.generate_presigned_url('list_objects_v2', Params={'Bucket': 'bucket', 'Prefix': 'a b/+', 'Delimiter': '/', 'MaxKeys': 3}, ExpiresIn=600)})
        c.put_object(Bucket='bucket', Key='a b+c/\u00fc//x', Body=b'body', Metadata={'colour': 'dark  green'}, ContentType='text/plain')
        c.head_object(Bucket='bucket', Key="tilde~(and)*'!")
        c.delete_object(Bucket='bucket', Key='../up', VersionId='null')
print(json.dumps(out))
`

func TestAgreesWithBoto3(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: boto3's signatures are not tried")
	}
	if err := exec.Command(python, "-c", "import boto3").Run(); err != nil {
		t.Skip("python3 has no boto3: its signatures are not tried")
	}
	v := verifier(time.Now())
	v.Now = nil
	srv := serve(t, v)
	cmd := exec.Command(python, "-c", botoScript, srv.URL, docKey, docSecret, tempKey, tempSecret, tempToken)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: the server said %v\n%s\n%s", err, srv.last.err, stderr.String(), extra(srv.last.err, "CanonicalRequest")+extra(srv.last.err, "StringToSign"))
	}
	var made []struct {
		Version, Method, URL string
		Headers              map[string]string
		Fields               map[string]string
	}
	if err := json.Unmarshal(text, &made); err != nil {
		t.Fatal(err)
	}
	kinds := map[Kind]int{}
	for _, m := range made {
		if m.Fields != nil {
			var form Form
			for name, value := range m.Fields {
				form = append(form, Field{name, value})
			}
			res, policy, err := v.VerifyPost(context.Background(), form, "bucket")
			if err != nil {
				t.Errorf("%s form: %v", m.Version, err)
				continue
			}
			if policy.LengthMax() != 10 {
				t.Errorf("%s form: %d bytes", m.Version, policy.LengthMax())
			}
			kinds[res.Kind]++
			if _, _, err := v.VerifyPost(context.Background(), form.with("key", "other"), "bucket"); ReasonOf(err) != PolicyDenied {
				t.Errorf("%s form of another key: %v", m.Version, err)
			}
			continue
		}
		r, err := http.NewRequest(m.Method, m.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range m.Headers {
			r.Header.Set(name, value)
		}
		res, err := srv.send(t, r)
		if err != nil {
			t.Errorf("%s %s %s: %v\n%s%s", m.Version, m.Method, m.URL, err, extra(err, "StringToSign"), extra(err, "CanonicalRequest"))
			continue
		}
		kinds[res.Kind]++
		if strings.Contains(m.URL, "colour") && srv.last.header.Get("X-Amz-Meta-Colour") == "" {
			t.Errorf("%s: metadata lost from %s", m.Version, m.URL)
		}
	}
	for _, k := range []Kind{Presigned, PresignedV2, Post, PostV2} {
		if kinds[k] == 0 {
			t.Errorf("boto3 made none of kind %d: %v", k, kinds)
		}
	}
}
