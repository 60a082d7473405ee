package conformance

import (
	_ "embed"
	"testing"
)

//go:embed walk_boto3.py
var walkBoto3 []byte

func TestBoto3(t *testing.T) {
	python := need(t, "python3", "-c", "import boto3; print('boto3', boto3.__version__)")
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			r := start(t, tls)
			r.write("walk.py", walkBoto3)
			t.Log(r.run(python, "walk.py"))
		})
	}
}
