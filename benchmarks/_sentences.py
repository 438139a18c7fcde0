"""Sentences in Japanese, Lao and Thai with every piece of personal data marked: of our own making.

There is no labelled set of others for Japanese and Lao that may be used here. These sentences are
templates of ours filled with common family and given names, reserved phone numbers and addresses, and
numbers made with their check digits; so rule and data have one author, and the figures flatter. To
lessen that, names stand in all the ways in which they stand in texts, also in those that no rule knows
(a given name alone, no title, glued to the next word), half of the Lao names are on no list, and one
sentence in three holds nothing personal, but words that look like it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

_FILLED = re.compile(r"\{(\w+)\}")

VALUES = {
    "ja": {
        "PERSON": (
            "山田太郎", "佐藤花子", "鈴木一郎", "田中美咲", "高橋健一", "伊藤由紀", "中村翔太", "小林さくら", "加藤 誠",
            "吉田　恵子", "山本", "佐々木大輔", "松本あゆみ", "井上拓也", "木村陽子", "タナカ ハナコ", "ヤマダ・タロウ",
            "斎藤", "渡辺", "長谷川", "Suzuki", "美咲", "健一",
        ),
        "PHONE_NUMBER": ("090-1234-5678", "03-1234-5678", "０９０－１２３４－５６７８", "+81 90-1234-5678", "0120-123-456"),
        "EMAIL_ADDRESS": ("taro@example.co.jp", "hanako.sato@example.com"),
        "ADDRESS": ("東京都千代田区千代田1-1", "〒100-0001", "大阪府大阪市北区梅田１丁目２番３号", "横浜市西区みなとみらい2丁目2-1"),
        "JP_MY_NUMBER": ("5709-3641-4592", "819886553462"),
    },
    "lo": {
        "PERSON": (
            "ສົມພອນ ວົງສາ", "ບຸນມີ ສີສຸກ", "ຄຳພັນ ແກ້ວມະນີ", "ຈັນທະລາ ພົມມະວົງ", "ວຽງໄຊ ສຸວັນນະວົງ",
            "ດາວອນ ອິນທະວົງ", "ວັນນາ ໄຊຍະວົງ", "ເກດສະໜາ ພົມມະຈັນ", "ອະນຸລັກ ສີຫາລາດ", "ມະໂນລາ ແກ້ວພິລາ",
            "ສົມສັກ", "ດາວອນ",
        ),
        "PHONE_NUMBER": ("020 5555 1234", "+856 20 5555 1234", "021 212 345", "໐໒໐ ໕໕໕໕ ໑໒໓໔"),
        "EMAIL_ADDRESS": ("noy@example.com", "somphone.v@example.org"),
        "ADDRESS": ("ບ້ານໂພນທັນ ເມືອງໄຊເສດຖາ ນະຄອນຫຼວງວຽງຈັນ", "ບ້ານ ທົ່ງຂັນຄຳ ເມືອງ ຈັນທະບູລີ"),
    },
    "th": {
        "PERSON": (
            "สมชาย ใจดี", "สมหญิง รักไทย", "ประเสริฐ วงศ์สวัสดิ์", "กมลชนก ศรีสุข", "อนุชา แก้วมณี", "วิภาวดี จันทร์เพ็ญ",
            "สมชาย", "กมลชนก", "มานี", "วีระ พงษ์ไพบูลย์",
        ),
        "PHONE_NUMBER": ("081-234-5678", "0812345678", "+66 81 234 5678", "02-123-4567", "๐๘๑-๒๓๔-๕๖๗๘"),
        "EMAIL_ADDRESS": ("somchai.j@example.co.th", "manee@example.com"),
        "ADDRESS": ("99/1 ถนนสุขุมวิท แขวงคลองเตย เขตคลองเตย กรุงเทพมหานคร 10110", "12 หมู่ 3 ตำบลบางพลี อำเภอบางพลี จังหวัดสมุทรปราการ"),
        "TH_TNIN": ("1-1017-00207-36-6", "1101700207366", "๑๑๐๑๗๐๐๒๐๗๓๖๖"),
    },
}  # fmt: skip

TEMPLATES = {
    "ja": (
        "{PERSON}様、お問い合わせありがとうございます。", "担当の{PERSON}さんに確認してください。", "氏名：{PERSON}",
        "昨日{PERSON}から電話がありました。", "{PERSON}は来週退職します。", "顧客{PERSON}の注文を取り消しました。",
        "{PERSON}先生の予約は三時です。", "{PERSON}と{PERSON}が会議に参加した。", "「{PERSON}です。よろしくお願いします」",
        "レポートは{PERSON}が作成し、{PERSON}が承認した。", "宛名: {PERSON} 住所: {ADDRESS}", "{PERSON}（{EMAIL_ADDRESS}）に送信済み",
        "電話は{PHONE_NUMBER}までお願いします。", "連絡先は{EMAIL_ADDRESS}です", "お届け先は{ADDRESS}です。",
        "マイナンバーは{JP_MY_NUMBER}です。", "{PERSON}氏によると、問題はない。", "メールは{EMAIL_ADDRESS}、電話は{PHONE_NUMBER}",
        "仕様は変更されました。", "東京の天気は晴れです。", "お客様各位、本日は休業です。", "設計仕様書の第三章を参照してください。",
        "バージョン2.13.0をリリースしました。", "注文番号202618697764は発送済みです。", "エラーコード500が返されました。",
        "トヨタの株価は3,120円でした。", "会議は2026-11-23の14:00からです。", "処理時間は1732350000123ミリ秒です。",
        "富士山の高さは3776メートルです。", "皆様、こんにちは。本田技研工業の製品です。",
    ),
    "lo": (
        "ທ່ານ {PERSON} ໄດ້ສົ່ງຄຳຮ້ອງ", "ທ້າວ {PERSON} ເປັນລູກຄ້າ", "ນາງ {PERSON} ໂທມາ", "ຊື່: {PERSON}", "ລູກຄ້າ: {PERSON}",
        "ກະລຸນາຕິດຕໍ່ {PERSON} ດ້ວຍ", "{PERSON} ຈະມາມື້ອື່ນ", "ຂໍ້ມູນຂອງ {PERSON} ຢູ່ໃນລະບົບ", "ຜູ້ຮັບ: {PERSON}, {PHONE_NUMBER}",
        "ເບີໂທ {PHONE_NUMBER}", "ໂທ{PHONE_NUMBER}ໄດ້", "ອີເມວ{EMAIL_ADDRESS}ເດີ", "ທີ່ຢູ່: {ADDRESS}", "ຂ້ອຍຢູ່ {ADDRESS}",
        "ທ່ານ ດຣ. {PERSON} ແມ່ນທີ່ປຶກສາ", "ນາງສາວ {PERSON} ແລະ ທ້າວ {PERSON}",
        "ລະບົບເຮັດວຽກປົກກະຕິ", "ບໍ່ພົບຂໍ້ຜິດພາດ", "ລາຄາ 250.000 ກີບ", "ເລກທີ 202618697764 ແມ່ນຄຳສັ່ງຊື້", "ປະຊຸມວັນທີ 2026-11-23",
        "ນາຍົກລັດຖະມົນຕີກ່າວວ່າ", "ທ່ານສາມາດກົດປຸ່ມນີ້", "ຮຸ່ນ 2.13.0 ອອກແລ້ວ",
    ),
    "th": (
        "คุณ{PERSON} แจ้งปัญหาเข้ามา", "นาย{PERSON} เป็นลูกค้า", "ชื่อ: {PERSON}", "ช่วยติดต่อ {PERSON} ให้หน่อยครับ", "{PERSON} จะมาพรุ่งนี้",
        "ส่งให้{PERSON}แล้วค่ะ", "ผู้รับ: {PERSON} โทร {PHONE_NUMBER}", "โทรกลับที่{PHONE_NUMBER}นะครับ", "อีเมล{EMAIL_ADDRESS}ครับ", "ที่อยู่ {ADDRESS}",
        "เลขบัตร{TH_TNIN}ครับ", "น.ส.{PERSON} และนาง{PERSON}", "ลูกค้าชื่อ{PERSON}ขอเปลี่ยนที่อยู่", "ข้อมูลของ {PERSON} ถูกต้อง",
        "ระบบทำงานปกติ ไม่พบข้อผิดพลาด", "คุณสามารถกดปุ่มนี้ได้", "ราคา 1,250 บาท", "คำสั่งซื้อ 202618697764 จัดส่งแล้ว", "นายกรัฐมนตรีแถลงข่าว",
        "รุ่น 2.13.0 ออกแล้ว", "ประชุมวันที่ 2026-11-23 เวลา 14.00 น.",
    ),
}  # fmt: skip


def sentences(seed: int = 1, each: int = 150) -> Iterator[dict[str, Any]]:
    """Samples as `agenttrail mask-test` reads them, `each` a language."""
    rng = random.Random(seed)
    for language, templates in TEMPLATES.items():
        for _ in range(each):
            template = rng.choice(templates)
            text, spans, at = "", [], 0
            for match in _FILLED.finditer(template):
                text += template[at : match.start()]
                value = rng.choice(VALUES[language][match.group(1)])
                spans.append({"start": len(text), "end": len(text) + len(value), "label": match.group(1)})  # fmt: skip
                text += value
                at = match.end()
            yield {"text": text + template[at:], "spans": spans, "lang": language}
