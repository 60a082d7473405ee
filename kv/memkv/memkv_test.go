package memkv

import (
	"testing"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/kv/kvtest"
)

func TestContract(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kv.Store { return New() })
}
