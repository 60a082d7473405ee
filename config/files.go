package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/farhold/farhold/realm"
)

// RegionFile is a region's file, farhold.yaml. Paths in it are relative to its
// folder.
type RegionFile struct {
	Region           string     `yaml:"region"`
	Data             string     `yaml:"data"`
	Realm            string     `yaml:"realm"`                        // a realm file
	RootCredentials  string     `yaml:"root-credentials,omitempty"`   // a credentials file
	RegionKeyFile    string     `yaml:"region-key-file,omitempty"`    // as FARHOLD_REGION_KEY
	RealmKeyFile     string     `yaml:"realm-key-file,omitempty"`     // as FARHOLD_REALM_KEY; empty: realm.key beside this file
	MetricsTokenFile string     `yaml:"metrics-token-file,omitempty"` // the token alone
	Listen           []Listener `yaml:"listen"`
	Peer             Peer       `yaml:"peer"`
	Hosts            []string   `yaml:"hosts,omitempty"`
	Strict           bool       `yaml:"aws-strict,omitempty"`
	OpenBuckets      bool       `yaml:"open-buckets,omitempty"`
	TrustedProxies   []string   `yaml:"trusted-proxies,omitempty"` // addresses or prefixes
	Limits           Limits     `yaml:"limits,omitempty"`
}

// RealmFile is a realm's file, realm.yaml: the same for all its regions.
type RealmFile struct {
	Realm   string      `yaml:"realm"`
	Account string      `yaml:"account"`
	Home    string      `yaml:"home"`
	Regions []RealmLine `yaml:"regions"`
}

// RealmLine is a region in a realm's file.
type RealmLine struct {
	Name     string `yaml:"name"`
	Endpoint string `yaml:"endpoint"`
	Peer     string `yaml:"peer"`
}

// fileMax bounds a configuration file in bytes.
const fileMax = 1 << 20

// parseProxy reads an address or a prefix.
func parseProxy(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is neither an address nor a prefix", text)
	}
	return p.Masked(), nil
}

// LoadRegion reads a region's file and those that it names. getenv (usually
// os.Getenv) gives the environment, which takes precedence for secrets.
func LoadRegion(file string, getenv func(string) string) (*Region, error) {
	var f RegionFile
	if err := readYAML(file, &f); err != nil {
		return nil, err
	}
	dir := filepath.Dir(file)
	at := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	r := &Region{
		Region: f.Region, Data: at(f.Data), Hosts: f.Hosts, Strict: f.Strict, OpenBuckets: f.OpenBuckets, Limits: f.Limits,
		Peer: Peer{Listen: f.Peer.Listen, Cert: at(f.Peer.Cert), Key: at(f.Peer.Key), CA: at(f.Peer.CA)},
	}
	for _, text := range f.TrustedProxies {
		p, err := parseProxy(text)
		if err != nil {
			return nil, fmt.Errorf("%s: trusted-proxies: %w", file, err)
		}
		r.TrustedProxies = append(r.TrustedProxies, p)
	}
	for _, l := range f.Listen {
		l.Cert, l.Key = at(l.Cert), at(l.Key)
		r.Listen = append(r.Listen, l)
	}
	if len(r.Listen) == 0 {
		return nil, fmt.Errorf("%s: no listen address", file)
	}
	if f.Realm == "" {
		return nil, fmt.Errorf("%s: no realm file", file)
	}
	realm, err := LoadRealm(at(f.Realm))
	if err != nil {
		return nil, err
	}
	r.Realm = *realm
	if r.Root, err = rootCredentials(at(f.RootCredentials), getenv); err != nil {
		return nil, err
	}
	if r.RegionKey = getenv(EnvRegionKey); r.RegionKey == "" && f.RegionKeyFile != "" {
		if r.RegionKey, err = readSecret(at(f.RegionKeyFile)); err != nil {
			return nil, err
		}
	}
	if r.RealmKey, err = realmKey(at(cmp.Or(f.RealmKeyFile, FileRealmKey)), getenv); err != nil {
		return nil, err
	}
	if r.MetricsToken = getenv(EnvMetricsToken); r.MetricsToken == "" && f.MetricsTokenFile != "" {
		if r.MetricsToken, err = readSecret(at(f.MetricsTokenFile)); err != nil {
			return nil, err
		}
	}
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// rootCredentials takes them from the environment or else from a file.
func rootCredentials(file string, getenv func(string) string) (Credentials, error) {
	c, ok, err := RootFromEnv(getenv)
	if ok || err != nil {
		return c, err
	}
	if file == "" {
		return c, fmt.Errorf("config: no root credentials: set %s and %s, or name a file of them", EnvRootAccessKey, EnvRootSecretKey)
	}
	return LoadCredentials(file)
}

// realmKey takes the realm's keys from the environment or else from a file.
func realmKey(file string, getenv func(string) string) (string, error) {
	if k := getenv(EnvRealmKey); k != "" {
		return k, nil
	}
	k, err := readSecret(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: there is no realm key, with which the realm's regions seal what is secret: "+
			"carry this file here from another region's folder; if the realm has none yet, farhold realm key makes one for all its regions", file)
	}
	return k, err
}

// RootFromEnv gives the root credentials that the environment holds, if it
// does. One without the other is an error.
func RootFromEnv(getenv func(string) string) (c Credentials, ok bool, err error) {
	c = Credentials{getenv(EnvRootAccessKey), getenv(EnvRootSecretKey)}
	if c == (Credentials{}) {
		return c, false, nil
	}
	if c.AccessKey == "" || c.SecretKey == "" {
		return c, false, fmt.Errorf("config: %s and %s belong together; one is missing", EnvRootAccessKey, EnvRootSecretKey)
	}
	return c, true, c.Check()
}

// LoadCredentials reads a credentials file, which others must not be able to
// read.
func LoadCredentials(file string) (Credentials, error) {
	var c Credentials
	if err := private(file); err != nil {
		return c, err
	}
	if err := readYAML(file, &c); err != nil {
		return c, err
	}
	if err := c.Check(); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// LoadRealm reads a realm's file.
func LoadRealm(file string) (*Realm, error) {
	var f RealmFile
	if err := readYAML(file, &f); err != nil {
		return nil, err
	}
	r := &Realm{Name: f.Realm, Account: f.Account, Home: f.Home, File: file}
	for _, l := range f.Regions {
		r.Regions = append(r.Regions, realm.RegionInfo{Name: l.Name, Endpoint: l.Endpoint, Peer: l.Peer})
	}
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// Lines gives the realm as its file has it.
func (r *Realm) Lines() RealmFile {
	f := RealmFile{Realm: r.Name, Account: r.Account, Home: r.Home}
	for _, i := range r.Regions {
		f.Regions = append(f.Regions, RealmLine{i.Name, i.Endpoint, i.Peer})
	}
	return f
}

// private refuses a file of secrets that others can read.
func private(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s: others can read it: its mode is %04o, not 0600", file, info.Mode().Perm())
	}
	return nil
}

func readSecret(file string) (string, error) {
	if err := private(file); err != nil {
		return "", err
	}
	b, err := readFile(file)
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", fmt.Errorf("%s: empty", file)
	}
	return s, nil
}

func readYAML(file string, v any) error {
	b, err := readFile(file)
	if err != nil {
		return err
	}
	err = yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(v)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: empty", file)
	}
	if err != nil {
		return fmt.Errorf("%s: %s", file, yaml.FormatError(err, false, false))
	}
	return nil
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, fileMax+1))
	if err == nil && len(b) > fileMax {
		err = fmt.Errorf("%s: longer than %d bytes", file, fileMax)
	}
	return b, err
}

// WriteYAML writes v to a file under a comment; see WriteFile.
func WriteYAML(file, comment string, v any, mode os.FileMode) error {
	b, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	text := ""
	for line := range strings.Lines(comment) {
		text += "# " + strings.TrimRight(line, "\n") + "\n"
	}
	return WriteFile(file, append([]byte(text), b...), mode)
}

// WriteFile replaces a file as a whole and durably: a reader, or whoever comes
// after a crash, sees the old one or the new one.
func WriteFile(file string, b []byte, mode os.FileMode) (err error) {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
