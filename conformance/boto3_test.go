package conformance

import (
	_ "embed"
	"testing"
)

//go:embed walk_boto3.py
var walkBoto3 []byte

//go:embed edges_boto3.py
var edgesBoto3 []byte

func TestBoto3(t *testing.T) {
	t.Parallel()
	python := need(t, "python3", "-c", "import boto3; print('boto3', boto3.__version__)")
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, tls)
			for _, script := range []struct {
				name string
				text []byte
			}{{"walk", walkBoto3}, {"edges", edgesBoto3}} {
				t.Run(script.name, func(t *testing.T) {
					r := r.in(t)
					r.write(script.name+".py", script.text)
					t.Log(r.run(python, script.name+".py"))
				})
			}
		})
	}
}
