#include "snapshot/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>

#include "base/hash.h"
#include "base/number.h"
#include "snapshot/format.h"

namespace shardmill::snapshot {

namespace {

constexpr std::string_view kMagic = "shardmill-manifest";
constexpr std::string_view kFact = "fact ";
constexpr std::string_view kFile = "file ";
constexpr std::string_view kEnd = "end ";
constexpr std::uint64_t kManifestSeed = 0x4d414e4946455354;  // "MANIFEST"

struct TotalsField {
    std::string_view name;
    std::uint64_t Totals::* field;
};
constexpr TotalsField kTotalsFields[] = {
    {"items", &Totals::items},
    {"key_bytes", &Totals::key_bytes},
    {"value_bytes", &Totals::value_bytes},
    {"blocks", &Totals::blocks},
    {"bytes", &Totals::file_bytes},
};

constexpr std::array kKindNames = {std::pair{Kind::Contents, std::string_view("contents")},
                                   std::pair{Kind::Result, std::string_view("result")}};
constexpr std::array kCodecNames = {std::pair{Codec::None, std::string_view("none")},
                                    std::pair{Codec::Zstd, std::string_view("zstd")}};

template <typename Names, typename Value>
std::string_view name_in(const Names& names, Value value) {
    return std::ranges::find(names, value, [](const auto& entry) { return entry.first; })->second;
}

/// Keeps a value on its line: '%' and control characters become %XX.
std::string escape(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f || c == '%') {
            fmt::format_to(std::back_inserter(escaped), "%{:02x}", byte);
        } else {
            escaped += c;
        }
    }
    return escaped;
}

template <typename Number>
bool parse_hex(std::string_view text, Number& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return error == std::errc{} && end == text.data() + text.size();
}

std::optional<std::string> unescape(std::string_view text) {
    std::string plain;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '%') {
            plain += text[at];
            continue;
        }
        std::uint8_t byte = 0;
        if (text.size() - at < 3 || !parse_hex(text.substr(at + 1, 2), byte)) return std::nullopt;
        plain += static_cast<char>(byte);
        at += 2;
    }
    return plain;
}

/// The last line, without its end.
std::string end_line(std::string_view text) {
    return fmt::format("{}{:016x}", kEnd, base::checksum(text.data(), text.size(), kManifestSeed));
}

std::string format_totals(const Totals& totals) {
    std::string text;
    for (const TotalsField& field : kTotalsFields) {
        fmt::format_to(std::back_inserter(text), " {}={}", field.name, totals.*field.field);
    }
    return text;
}

/// Takes the text apart line by line, in the one order in which format_manifest writes it.
class ManifestParser {
 public:
    ManifestParser(std::string_view text, std::string_view path) : text_(text), path_(path) {}

    Result<Manifest> parse() {
        Manifest manifest;
        if (auto result = check_frame(); !result) return std::unexpected(result.error());
        const bool sound = named_value(kMagic) && named_choice("kind", kKindNames, manifest.kind) &&
                           named_text("name", manifest.name) && named_hex("id", manifest.id) &&
                           named_number("created", manifest.created) &&
                           named_number("shards", manifest.shards) &&
                           named_number("highest_cas", manifest.highest_cas) &&
                           named_choice("codec", kCodecNames, manifest.codec) && facts(manifest) &&
                           files(manifest) && totals(manifest) && text_.empty();
        if (!sound || manifest.id == 0) return bad("is not as this version writes it");
        return manifest;
    }

 private:
    std::unexpected<Error> bad(std::string_view why) const {
        return fail(ErrorKind::Corrupt,
                    fmt::format("{} line {}: the manifest {}", path_, line_ + 1, why));
    }

    /// Version and checksum; leaves the lines between them in `text_`.
    Result<void> check_frame() {
        const std::string_view first = text_.substr(0, text_.find('\n'));
        if (!first.starts_with(kMagic) || first.size() < kMagic.size() + 2) {
            return bad("does not start like one");
        }
        if (first.substr(kMagic.size() + 1) != fmt::to_string(kFormatVersion)) {
            return fail(
                ErrorKind::Version,
                fmt::format("{}: format version {} is not known to this build (it reads {})", path_,
                            first.substr(kMagic.size() + 1), kFormatVersion));
        }
        if (text_.size() < 2 || text_.back() != '\n') return bad("is cut off");
        const std::size_t before = text_.substr(0, text_.size() - 1).rfind('\n');
        if (before == std::string_view::npos) return bad("is cut off");
        const std::string_view last = text_.substr(before + 1, text_.size() - before - 2);
        if (!last.starts_with(kEnd)) return bad("is cut off");
        text_ = text_.substr(0, before + 1);
        if (last != end_line(text_)) return bad("does not match its checksum");
        return {};
    }

    std::optional<std::string_view> named_value(std::string_view name) {
        const std::string_view line = text_.substr(0, text_.find('\n'));
        if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') {
            return std::nullopt;
        }
        text_.remove_prefix(line.size() + 1);
        ++line_;
        return line.substr(name.size() + 1);
    }

    bool named_text(std::string_view name, std::string& value) {
        const auto text = named_value(name);
        if (text) value = *text;
        return text.has_value();
    }

    template <typename Number>
    bool named_number(std::string_view name, Number& value) {
        const auto text = named_value(name);
        const auto number = text ? base::parse_number<Number>(*text) : std::nullopt;
        if (number) value = *number;
        return number.has_value();
    }

    bool named_hex(std::string_view name, std::uint64_t& value) {
        const auto text = named_value(name);
        return text && text->size() == 16 && parse_hex(*text, value);
    }

    template <typename Names, typename Value>
    bool named_choice(std::string_view name, const Names& names, Value& value) {
        const auto text = named_value(name);
        if (!text) return false;
        const auto found =
            std::ranges::find(names, *text, [](const auto& entry) { return entry.second; });
        if (found == names.end()) return false;
        value = found->first;
        return true;
    }

    bool facts(Manifest& manifest) {
        while (text_.starts_with(kFact)) {
            const std::string_view fact = *named_value("fact");
            const std::size_t space = fact.find(' ');
            if (space == std::string_view::npos) return false;
            auto value = unescape(fact.substr(space + 1));
            if (!value) return false;
            manifest.facts.emplace_back(fact.substr(0, space), std::move(*value));
        }
        return true;
    }

    bool files(Manifest& manifest) {
        while (text_.starts_with(kFile)) {
            if (manifest.files.size() == kFilesMax) return false;
            std::string_view line = *named_value("file");
            const auto number = static_cast<std::uint32_t>(manifest.files.size());
            const std::string name = shard_file_name(number);
            if (!line.starts_with(name)) return false;
            line.remove_prefix(name.size());
            FileEntry entry;
            if (!take_totals(line, entry.totals)) return false;
            constexpr std::string_view kChecksum = " checksum=";
            if (!line.starts_with(kChecksum) || line.size() != kChecksum.size() + 16 ||
                !parse_hex(line.substr(kChecksum.size()), entry.checksum)) {
                return false;
            }
            manifest.files.push_back(entry);
        }
        return true;
    }

    bool totals(const Manifest& manifest) {
        const auto line = named_value("total");
        return line && *line == fmt::format("files={}", manifest.files.size()) +
                                    format_totals(manifest.totals());
    }

    static bool take_totals(std::string_view& line, Totals& totals) {
        for (const TotalsField& field : kTotalsFields) {
            const std::string start = fmt::format(" {}=", field.name);
            if (!line.starts_with(start)) return false;
            line.remove_prefix(start.size());
            const std::string_view digits = line.substr(0, line.find(' '));
            const auto number = base::parse_number<std::uint64_t>(digits);
            if (!number) return false;
            totals.*field.field = *number;
            line.remove_prefix(digits.size());
        }
        return true;
    }

    std::string_view text_;
    const std::string_view path_;
    std::size_t line_ = 0;
};

}  // namespace

Totals& Totals::operator+=(const Totals& other) noexcept {
    for (const TotalsField& field : kTotalsFields) this->*field.field += other.*field.field;
    return *this;
}

Totals Manifest::totals() const noexcept {
    Totals sum;
    for (const FileEntry& file : files) sum += file.totals;
    return sum;
}

std::string_view Manifest::fact(std::string_view fact_name) const noexcept {
    for (const auto& [known_name, value] : facts) {
        if (known_name == fact_name) return value;
    }
    return {};
}

std::string shard_file_name(std::uint32_t file) { return fmt::format("shard-{:04}", file); }

std::string format_manifest(const Manifest& manifest) {
    std::string text = fmt::format(
        "{} {}\nkind {}\nname {}\nid {:016x}\ncreated {}\nshards {}\nhighest_cas {}\ncodec {}\n",
        kMagic, kFormatVersion, name_in(kKindNames, manifest.kind), manifest.name, manifest.id,
        manifest.created, manifest.shards, manifest.highest_cas,
        name_in(kCodecNames, manifest.codec));
    for (const auto& [name, value] : manifest.facts) {
        text += fmt::format("{}{} {}\n", kFact, name, escape(value));
    }
    for (std::uint32_t file = 0; file < manifest.files.size(); ++file) {
        const FileEntry& entry = manifest.files[file];
        text += fmt::format("{}{}{} checksum={:016x}\n", kFile, shard_file_name(file),
                            format_totals(entry.totals), entry.checksum);
    }
    text +=
        fmt::format("total files={}{}\n", manifest.files.size(), format_totals(manifest.totals()));
    return text + end_line(text) + "\n";
}

Result<Manifest> parse_manifest(std::string_view text, std::string_view path) {
    return ManifestParser(text, path).parse();
}

}  // namespace shardmill::snapshot
