package main

import (
	"fmt"
	"strings"

	"github.com/farhold/farhold/tools/gen/model"
)

// walk calls structure once for each structure that queue names and for those
// that they reach, which it gives. done are those that were written before.
func walk(svc *model.Service, queue []string, done map[string]bool, structure func(*model.Shape) ([]string, error)) error {
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if done[name] {
			continue
		}
		done[name] = true
		more, err := structure(svc.Shapes[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		queue = append(queue, more...)
	}
	return nil
}

// fields writes the fields of a struct and its end. reach names the structures
// that they are of.
func fields(b *strings.Builder, sh *model.Shape, members []*model.Member, member func(*model.Shape, *model.Member) (line, reach string, err error)) (reach []string, err error) {
	for _, m := range members {
		line, to, err := member(sh, m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		b.WriteString(line)
		if to != "" {
			reach = append(reach, to)
		}
	}
	b.WriteString("}\n")
	return reach, nil
}
