# strip-names.sed: takes out of a captured request what names a client or a user,
# before it is shown to others.  docs/MIGRATION.md tells how it is used.
#
# Read the result before you send it: a server, domain, site or person may be
# named in places that nobody has foreseen.  Add a line for each of yours, as
#       s/fabrikam\.com/example.org/gI

# Who the client is: its GUID, name, names like name.domain in elements of their own.
s/GUID:[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}/GUID:11111111-2222-3333-4444-555555555555/g
s#(<(NetBIOSName|FQDN|DNSName|HostName)>)[^<]*#\1PC0001#gI
s/\b(User|UserSID|HostName)="[^"]*"/\1=""/gI
s/\bS-1-5-21(-[0-9]+)+/S-1-5-21-0-0-0-0/g

# Addresses, of machines and of network cards.
s/\b([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b/00:00:5E:00:53:00/g
s/\b[0-9]{1,3}(\.[0-9]{1,3}){3}\b/192.0.2.1/g

s/^(peer: ).*/\1192.0.2.1/

# The servers in URLs, UNC paths and the Host field.
s#\b(https?://)[^/ <"]+#\1server.example.com#gI
s#\\\\[^\\ <"]+#\\\\server#g
s/^(Host: )[^\r]*/\1server.example.com/I
