package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of processor time in /proc: Linux reports it in
// hundredths of a second on every architecture.
const clockTick = 10 * time.Millisecond

// ErrProcess is wrapped when a process can't be observed.
var ErrProcess = errors.New("bench: process can't be observed")

// cpuOf gives the processor time that a process has used, user and system
// together, its waited-for children excluded.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrProcess, err)
	}
	return parseStat(stat)
}

// parseStat reads utime and stime, fields 14 and 15 of /proc/PID/stat. The
// second field is a name in parentheses that may itself hold anything.
func parseStat(stat []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, fmt.Errorf("%w: stat without a name", ErrProcess)
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("%w: stat of %d fields", ErrProcess, len(fields)+2)
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrProcess, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// peakMemory gives the most bytes of memory that a process has held, 0 when
// that isn't known.
func peakMemory(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	return kilobytesIn(string(status), "VmHWM:")
}

// kilobytesIn finds a line "name N kB" and gives N in bytes, or 0.
func kilobytesIn(text, name string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

// Usage is what one process spent while something was measured.
type Usage struct {
	PID        int     `json:"pid,omitempty"`
	CPUSeconds float64 `json:"cpu_seconds"`
	// CPUMicrosPerOp is processor time per successful operation, in µs.
	CPUMicrosPerOp float64 `json:"cpu_us_per_op"`
	// Cores is processor time per elapsed time.
	Cores float64 `json:"cores"`
	// PeakMemoryMiB is the most memory it has held in its life.
	PeakMemoryMiB float64 `json:"peak_memory_mib,omitempty"`
}

// sample is the processor time used so far by everybody of interest.
type sample struct {
	at      time.Time
	self    time.Duration
	servers []time.Duration
	machine time.Duration // busy time of all cores together; negative if unknown
}

func takeSample(pids []int) (sample, error) {
	s := sample{at: time.Now(), self: selfCPU(), machine: machineBusy()}
	for _, pid := range pids {
		d, err := cpuOf(pid)
		if err != nil {
			return s, err
		}
		s.servers = append(s.servers, d)
	}
	return s, nil
}

// Load is who used the processor while something was measured.
type Load struct {
	Client  Usage   `json:"client"`
	Servers []Usage `json:"servers,omitempty"`
	// ServerMicrosPerOp is the servers' sum.
	ServerMicrosPerOp float64 `json:"server_cpu_us_per_op,omitempty"`
	// OtherCores is what all other processes and the kernel used, in cores:
	// how far the figures can be trusted. Without server processes named it
	// includes the server. Negative when it isn't known.
	OtherCores float64 `json:"other_cores"`
}

// since tells who used how much between from and to, for ops operations.
func (to sample) since(from sample, pids []int, ops int64) Load {
	elapsed := to.at.Sub(from.at)
	usage := func(pid int, d time.Duration) Usage {
		u := Usage{PID: pid, CPUSeconds: d.Seconds(), Cores: ratio(d.Seconds(), elapsed.Seconds())}
		u.CPUMicrosPerOp = ratio(float64(d)/1e3, float64(ops))
		return u
	}
	l := Load{Client: usage(0, to.self-from.self)}
	others := to.machine - from.machine - (to.self - from.self)
	for i, pid := range pids {
		d := to.servers[i] - from.servers[i]
		u := usage(pid, d)
		u.PeakMemoryMiB = float64(peakMemory(pid)) / (1 << 20)
		l.Servers = append(l.Servers, u)
		l.ServerMicrosPerOp += u.CPUMicrosPerOp
		others -= d
	}
	l.OtherCores = max(ratio(others.Seconds(), elapsed.Seconds()), 0)
	if from.machine < 0 || to.machine < 0 {
		l.OtherCores = -1
	}
	return l
}

// ratio divides, with 0 for "nothing to divide by".
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
